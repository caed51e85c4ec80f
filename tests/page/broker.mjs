// An operator at the broker's page: registers an app and an agent, whose tokens are shown once; watches events wait and
// be answered; rotates, revokes, and reads the event log.
import { readFileSync } from "node:fs";
import WebSocket from "ws";
import { DESKTOP, PHONE, faults, go, leave, shoot, signIn, spills, until, visit } from "./browser.mjs";

const { ADMIN_TOKEN, BRIDGE_URL } = process.env;
const SECRET = "a payload that nobody but its agent reads";
const HOSTILE = `<script>document.title="owned"</script>`;

const seen = { faults: [], wide: [] };
const page = await visit();
const check = async (where) => seen.faults.push(...(await faults(page, where)));

async function connect(door, token) {
  const socket = new WebSocket(`${BRIDGE_URL}/v1/ws/${door}`, { headers: { authorization: `Bearer ${token}` } });
  const frames = [];
  socket.on("message", (data) => frames.push(JSON.parse(data)));
  const ended = new Promise((resolve) => socket.on("close", (code) => resolve(code)));
  await new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject));
  const heard = (type) => until(`a frame ${type}`, () => frames.find((frame) => frame.type === type));
  return { ended, heard, say: (frame) => socket.send(JSON.stringify(frame)), close: () => socket.close() };
}

/** The token that the page shows now; it is not shown again. */
async function shownToken() {
  const dialog = page.getByRole("dialog", { name: /^Token of/ });
  const token = await dialog.locator(".secret").textContent();
  await check("a token");
  await dialog.getByRole("button", { name: "I have kept it" }).click();
  // A dialog that is closed is no dialog any more, a moment before it is gone with all that is in it.
  await page.locator(".secret").waitFor({ state: "detached" });
  if ((await page.content()).includes(token)) throw new Error("the token is still on the page");
  return token;
}

async function register(view, one, fill) {
  await go(page, view);
  await page.getByRole("button", { name: `Add an ${one}` }).click();
  await fill(page.getByRole("dialog"));
  await page.getByRole("dialog").getByRole("button", { name: "Add it" }).click();
  return shownToken();
}

async function registers() {
  await signIn(page, ADMIN_TOKEN);
  await page.getByRole("heading", { level: 1, name: "Agents" }).waitFor();
  await page.getByText("No agent is registered").waitFor();
  await check("no agents");
  await shoot(page, "agents-empty");
  const app = await register("Apps", "app", (dialog) => dialog.getByLabel("Name").fill("portal"));
  const agent = await register("Agents", "agent", async (dialog) => {
    await dialog.getByLabel("Name").fill("athena");
    await dialog.getByLabel("Description").fill(HOSTILE);
    await dialog.getByLabel("Shown as").fill(HOSTILE);
    await dialog.getByLabel("Apps that may send to it").fill("portal");
  });
  seen.hostile = { text: await page.getByText(HOSTILE).count(), title: await page.title() };
  await page.getByRole("button", { name: "Add an agent" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("athena");
  await page.getByRole("dialog").getByRole("button", { name: "Add it" }).click();
  seen.twice = await page.getByRole("dialog").getByRole("alert").textContent();
  await page.keyboard.press("Escape");
  return { app, agent };
}

async function talks({ app, agent }) {
  const portal = await connect("app", app);
  const ask = { type: "event", agent_id: "athena", thread_id: "t1", payload: { text: SECRET } };
  portal.say(ask);
  await portal.heard("accepted");
  const row = page.getByRole("row").filter({ hasText: "athena" });
  const waits = row.locator('[data-title="Events waiting"] span span').first();
  await until("one event waits", async () => (await waits.textContent()) === "1");
  const athena = await connect("agent", agent);
  await row.getByText("Connected").waitFor();
  await shoot(page, "agents-connected");
  const event = await athena.heard("event");
  athena.say({ type: "reply", event_id: event.event_id, content: "answered", done: true });
  await portal.heard("reply");
  await go(page, "Conversations");
  await page.getByRole("rowheader", { name: "portal" }).waitFor();
  await check("conversations");
  await go(page, "Event log");
  await page.getByRole("rowheader", { name: "Answer arrived" }).first().waitFor();
  await check("event log");
  await shoot(page, "log");
  seen.payloadShown = (await page.content()).includes(SECRET);
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Export CSV" }).click();
  const csv = readFileSync(await (await download).path(), "utf8");
  seen.csv = { head: csv.split("\r\n")[0], secret: csv.includes(SECRET) };
  return { athena, portal };
}

async function revokes({ athena, portal }) {
  await go(page, "Agents");
  await page.getByRole("button", { name: "New token: athena" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Make a token" }).click();
  const second = await shownToken();
  const again = await connect("agent", second);
  seen.replaced = await athena.ended;
  await page.getByRole("button", { name: "Edit: athena" }).click();
  await page.getByRole("dialog").getByLabel("While it is away, events").selectOption("reject");
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await page.getByText("while it is away, events are refused").waitFor();
  await page.getByRole("button", { name: "Revoke: athena" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  seen.revoked = await again.ended;
  await page.getByRole("cell", { name: "None" }).waitFor();
  await check("agents, one revoked");
  portal.close();
  await go(page, "APIs");
  await page.getByRole("button", { name: "Add an API" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("weather");
  await page.getByRole("dialog").getByLabel("Address", { exact: true }).fill("https://api.example.com/v1");
  await page.getByRole("dialog").getByRole("button", { name: "Add it" }).click();
  await page.getByRole("rowheader", { name: /weather/ }).waitFor();
  await check("apis");
}

async function looks() {
  for (const [size, viewport] of [["desktop", DESKTOP], ["phone", PHONE]]) {
    for (const scheme of ["light", "dark"]) {
      const other = await visit(viewport, scheme);
      await signIn(other, ADMIN_TOKEN);
      for (const view of ["Agents", "Apps", "APIs", "Conversations", "Event log"]) {
        await go(other, view);
        await shoot(other, `${view.toLowerCase().replace(" ", "-")}-${size}-${scheme}`);
        seen.faults.push(...(await faults(other, `${view} ${size} ${scheme}`)));
        seen.wide.push(...(await spills(other, `${view} ${size}`)));
      }
      await other.context().close();
    }
  }
}

let carried;
for (const step of [registers, talks, revokes, looks]) {
  try {
    carried = await step(carried);
  } catch (error) {
    await shoot(page, "failed");
    throw new Error(`${step.name}: ${error.stack}`);
  }
}
console.log(JSON.stringify({ ...seen, ...(await leave()) }));
