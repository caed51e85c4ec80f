// An operator at the broker's page, with an orchestrator and agent sessions: looks after people whose jobs cost money, sees how
// agents are, takes an escalation back and declares a breach; and sees no word of what is said.
import WebSocket from "ws";
import { buy } from "./agent.mjs";
import { DESKTOP, PHONE, faults, go, leave, shoot, signIn, spills, until, visit } from "./browser.mjs";
import { negotiator } from "./negotiators.mjs";

const { ADMIN_TOKEN, ADMIN_URL, PUBLIC_URL } = process.env;
const SECRET = "what nobody but its reader reads";
const HOSTILE = `<img src=x onerror="document.title='owned'">`;
const ALPHA = "agent://acme.com/procurement/alpha";
const BETA = "agent://cloudprime.io/gpu/beta";
const VIEWS = ["People", "Service agents", "Agent sessions"];

const seen = { faults: [], wide: [] };
const page = await visit();
const check = async (where) => {
  seen.faults.push(...(await faults(page, where)));
  seen.shown ||= (await page.content()).includes(SECRET);
};

async function json(url, token, method, body) {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const answer = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}
const admin = (path, body) => json(`${ADMIN_URL}admin/${path}`, ADMIN_TOKEN, body ? "POST" : "GET", body);

/** An agent of the bridge that answers every event. */
async function serve(id, answer) {
  const { token } = await admin("agents", { id, allow: ["orchestrator"] });
  const socket = new WebSocket(`${PUBLIC_URL.replace("http", "ws")}/v1/ws/agent`, { headers: { authorization: `Bearer ${token}` } });
  socket.on("message", (data) => {
    const frame = JSON.parse(data);
    if (frame.type === "event") socket.send(JSON.stringify({ type: "reply", event_id: frame.event_id, content: answer, done: true }));
    if (frame.type === "ping") socket.send('{"type":"pong"}');
  });
  await new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject));
}

async function person(id, name) {
  const { token: key } = await admin("people", { id, name });
  return (path, method = "GET", body) => json(`${PUBLIC_URL}${path}`, key, method, body);
}

/** A session of somebody's, connected. */
async function talk(ask) {
  const { ws_url: url, token } = await ask("/api/sessions", "POST");
  const socket = new WebSocket(url, [`bearer.${token}`, "orchestrator"]);
  const frames = [];
  socket.on("message", (data) => frames.push(JSON.parse(data)));
  await new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject));
  socket.send(JSON.stringify({ type: "USER_MESSAGE", data: { content: SECRET } }));
  return (type) => until(`a frame ${type}`, () => frames.find((frame) => frame.type === type));
}

async function empties() {
  await signIn(page, ADMIN_TOKEN);
  for (const [view, words] of [["People", "Nobody is known"], ["Service agents", "No agent is registered"], ["Agent sessions", "No session was begun yet"]]) {
    await go(page, view);
    await page.getByText(words).waitFor();
    await check(`${view}, empty`);
  }
}

async function peopleTalk() {
  await serve("brain", { agent: "worker", action: "translate", arguments: {} });
  await serve("worker", { ok: true, output: SECRET });
  await admin("service-agents", { slug: "worker", name: HOSTILE, bridge_agent: "worker", actions: [{ name: "translate", price: "0.05" }] });
  await admin("service-agents", { slug: "elsewhere", name: "Nobody's", base_url: "http://127.0.0.1:9", allow_private: true });
  const ada = await person("ada", "Ada Lovelace");
  const bob = await person("bob");
  for (const one of [ada, bob]) await one("/auth/account", "PUT", { token: (await buy("prepaid")).token });
  await ada("/auth/auto-pay", "PATCH", { auto_pay_enabled: true, auto_pay_max_per_job: "0.05", auto_pay_max_per_day: "0.20" });
  const heard = await talk(ada);
  await heard("AGENT_MESSAGE");
  const asked = await talk(bob);
  await asked("PAYMENT_REQUEST");
  await go(page, "People");
  await page.getByText("$0.05 of $0.20 today, $0.05 a job").waitFor();
  const cells = (name) => page.getByRole("table", { name: "People" }).getByRole("row").filter({ hasText: name }).getByRole("cell");
  seen.ada = await cells("Ada Lovelace").allTextContents();
  seen.bob = await cells("bob").allTextContents();
  await check("people");
  await shoot(page, "people");
  await page.getByRole("button", { name: "Asked to pay" }).click();
  const sessions = page.getByRole("table", { name: "Sessions" }).getByRole("row");
  await until("one session is asked to pay", async () => (await sessions.count()) === 2);
  seen.asked = await sessions.nth(1).getByRole("cell").allTextContents();
  await go(page, "Service agents");
  seen.hostile = { text: await page.getByText(HOSTILE).count(), title: await page.title() };
  await page.getByRole("row").filter({ hasText: "worker" }).getByText("Connected").waitFor();
  await page.getByRole("row").filter({ hasText: "elsewhere" }).getByText("Says nothing").waitFor();
  await check("service agents");
}

async function agentsNegotiate() {
  const [alpha, beta] = [await negotiator("oac_acme"), await negotiator("oac_cloudprime")];
  const session = await alpha.begin([ALPHA, BETA]);
  const idle = await alpha.begin([ALPHA, BETA]);
  const { frames, ended } = await alpha.connect(session);
  const invitation = { proposalId: "i", type: "session-invitation", subject: SECRET, terms: { text: SECRET } };
  await alpha.say(session, "PROPOSE", invitation);
  await beta.say(session, "ACCEPT", { referenceId: "i" });
  await alpha.say(session, "INFORM", { text: SECRET });
  await beta.say(session, "ESCALATE", {});
  await go(page, "Agent sessions");
  const row = page.getByRole("row").filter({ hasText: "1 of 2" });
  await row.getByText("Escalated").waitFor();
  await check("agent sessions, one escalated");
  // By keyboard alone.
  await row.getByRole("button", { name: `Take back: ${session}` }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").getByLabel("Note").fill("looked at");
  await check("a note");
  await page.keyboard.press("Enter");
  await row.getByText("Conversing").waitFor();
  const terms = { obligations: [], penalties: {} };
  await alpha.say(session, "COMMIT", { commitmentId: "c", terms, deadline: "2099-01-01T00:00:00Z", escrow: { amount: "4", currency: "USDC", releaseCondition: "delivery" } });
  await beta.say(session, "ACCEPT", {});
  await row.getByText("Executing").waitFor();
  await shoot(page, "agent-sessions");
  await row.getByRole("button", { name: `Breach: ${session}` }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Breach" }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  seen.ended = await ended;
  const words = frames.filter((frame) => frame.type === "message" && frame.envelope.sender.agentId === "agent://operator");
  seen.words = words.map(({ envelope }) => envelope.content.body);
  await page.getByRole("row").filter({ hasText: "Failed" }).waitFor();
  await page.getByRole("button", { name: "Over" }).click();
  await until("one session is over", async () => (await page.getByRole("row").count()) === 2);
  await page.getByRole("button", { name: "All" }).click();
  await page.getByLabel("Session", { exact: true }).fill(idle);
  await until("one session is found", async () => (await page.getByRole("row").count()) === 2);
  await page.getByRole("row").filter({ hasText: "Idle" }).waitFor();
  await page.getByLabel("Session", { exact: true }).fill("ase_nobody");
  await page.getByText("No session is like that").waitFor();
  await check("no such session");
}

async function looks() {
  for (const [size, viewport] of [["desktop", DESKTOP], ["phone", PHONE]]) {
    for (const scheme of ["light", "dark"]) {
      const other = await visit(viewport, scheme);
      await signIn(other, ADMIN_TOKEN);
      for (const view of VIEWS) {
        await go(other, view);
        await shoot(other, `${view.toLowerCase().replace(" ", "-")}-${size}-${scheme}`);
        seen.faults.push(...(await faults(other, `${view} ${size} ${scheme}`)));
        seen.wide.push(...(await spills(other, `${view} ${size}`)));
      }
      await other.context().close();
    }
  }
}

for (const step of [empties, peopleTalk, agentsNegotiate, looks]) {
  try {
    await step();
  } catch (error) {
    await shoot(page, "failed");
    throw new Error(`${step.name}: ${error.stack}`);
  }
}
console.log(JSON.stringify({ ...seen, ...(await leave()) }));
process.exit();
