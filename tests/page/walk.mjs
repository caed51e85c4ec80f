// An operator's hour at the facilitator's page, in a real browser, with a real agent on the other side.
import { readFileSync } from "node:fs";
import { ask, buy, stream } from "./agent.mjs";
import { faults, go, leave, shoot, signIn, until, visit } from "./browser.mjs";

const { ADMIN_TOKEN, PROVIDER, UPSTREAM } = process.env;
const HOSTILE = `<img src=x onerror="document.title='owned'"><b>trades</b>`;

const seen = { faults: [] };
const page = await visit();
const check = async (where) => seen.faults.push(...(await faults(page, where)));

async function comesIn() {
  await check("sign-in");
  await shoot(page, "sign-in");
  await signIn(page, `${ADMIN_TOKEN}x`);
  const error = page.getByText("This is not the token of this node.");
  await error.waitFor();
  const described = await page.getByLabel("Admin token").getAttribute("aria-describedby");
  seen.wrong = {
    besideTheField: described.split(" ").includes(await error.getAttribute("id")),
    invalid: await page.getByLabel("Admin token").getAttribute("aria-invalid"),
    kept: await page.evaluate(() => sessionStorage.length),
    dataShown: await page.getByRole("navigation").count(),
  };
  // By keyboard alone.
  await page.getByLabel("Admin token").fill(ADMIN_TOKEN);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
  await page.getByText("No feed is for sale.").waitFor();
  await check("overview, empty");
  await page.reload();
  await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
  seen.cookies = (await page.context().cookies()).length;
  seen.local = await page.evaluate(() => localStorage.length);
}

async function registers() {
  await go(page, "Feeds");
  await shoot(page, "feeds-empty");
  await page.getByRole("button", { name: "Add a feed" }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("trades");
  await dialog.getByLabel("Description").fill(HOSTILE);
  await dialog.getByLabel("Upstream", { exact: true }).fill("http://not-a-websocket.example/");
  await dialog.getByLabel("Price in dollars").fill("0.01");
  await dialog.getByLabel("Per", { exact: true }).selectOption("message");
  await dialog.getByLabel("Deposit sizes").fill("60");
  await dialog.getByLabel("Provider's wallets").fill(`eip155:84532 ${PROVIDER}`);
  await dialog.getByRole("button", { name: "Add it" }).click();
  const upstream = dialog.getByLabel("Upstream", { exact: true });
  await until("the wrong upstream is marked", async () => (await upstream.getAttribute("aria-invalid")) === "true");
  seen.fieldError = await dialog.locator("#feed-upstream-error").textContent();
  await check("a field's error");
  await shoot(page, "feed-form", false);
  await upstream.fill(UPSTREAM);
  await dialog.getByRole("button", { name: "Add it" }).click();
  await page.getByRole("rowheader", { name: /trades/ }).waitFor();
  seen.hostile = {
    shownAsText: await page.getByText(HOSTILE).count(),
    images: await page.locator("#view img, #view b").count(),
    title: await page.title(),
  };
  await check("feeds");
}

async function watches() {
  const session = await buy("trades");
  const live = await stream(session);
  await go(page, "Sessions");
  const row = page.getByRole("row").filter({ hasText: "trades" });
  await row.getByText("Live", { exact: true }).waitFor();
  const values = [];
  await until("units fall three times", async () => {
    const value = await row.getByRole("progressbar").evaluate((bar) => bar.value);
    if (values.at(-1) !== value) values.push(value);
    return values.length >= 4;
  });
  seen.fall = values;
  await check("sessions, live");
  await shoot(page, "sessions-live");
  await go(page, "Overview");
  await page.getByText(/messages: .* per second/).waitFor();
  await shoot(page, "overview-live");
  await check("overview, live");
  seen.ended = await live.ended;
  await go(page, "Sessions");
  await row.getByText("Ended", { exact: true }).waitFor();
  seen.leftAtTheEnd = await row.getByRole("progressbar").evaluate((bar) => bar.value);
}

async function revokes() {
  const session = await buy("trades");
  const live = await stream(session);
  await page.getByRole("button", { name: `Details of session ${session.session.jti}` }).click();
  const dialog = page.getByRole("dialog", { name: "Session" });
  await dialog.getByText("Live streams (1)").waitFor();
  await check("session");
  await shoot(page, "session", false);
  await dialog.getByRole("button", { name: "Revoke" }).click();
  const sure = page.getByRole("dialog", { name: "Revoke this session?" });
  await shoot(page, "revoke", false);
  seen.askedFirst = await sure.getByText("cannot be undone").count();
  await sure.getByRole("button", { name: "Revoke" }).click();
  seen.revoked = await live.ended;
  await dialog.getByText("Revoked", { exact: true }).first().waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  seen.focusReturned = await page.evaluate(() => document.activeElement.getAttribute("aria-label"));
  await page.getByRole("row").filter({ hasText: "Revoked" }).waitFor();
}

async function pays() {
  await go(page, "Money");
  await page.getByRole("button", { name: "Run a payout" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("At least, in dollars").fill("0.01");
  await dialog.getByRole("button", { name: "Pay providers" }).click();
  seen.unticked = await dialog.getByText("Tick this to go on.").count();
  await dialog.getByLabel(/Send the money now/).check();
  await dialog.getByRole("button", { name: "Pay providers" }).click();
  seen.payout = await dialog.getByText(/on its way/).textContent();
  await dialog.getByRole("button", { name: "Done" }).click();
  await page.getByRole("cell", { name: "Paid" }).waitFor();
  await check("money");
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Export CSV" }).last().click();
  seen.csv = readFileSync(await (await download).path(), "utf8");
}

async function pauses() {
  await go(page, "Feeds");
  await page.getByRole("button", { name: "Pause trades" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Pause" }).click();
  await page.getByRole("cell", { name: "Paused" }).waitFor();
  await check("feeds, one paused");
  seen.paused = await ask("trades");
  await page.getByRole("button", { name: "Resume trades" }).click();
  await page.getByRole("cell", { name: "For sale" }).waitFor();
  seen.resumed = (await ask("trades")).status;
  await page.getByRole("button", { name: "Change the price of trades" }).click();
  const price = page.getByRole("dialog").getByLabel("Dollars per message");
  await price.fill("a lot");
  await page.getByRole("dialog").getByRole("button", { name: "Change the price" }).click();
  await until("the wrong price is marked", async () => (await price.getAttribute("aria-invalid")) === "true");
  await price.fill("0.02");
  await page.getByRole("dialog").getByRole("button", { name: "Change the price" }).click();
  await page.getByRole("cell", { name: "$0.02 per message" }).waitFor();
}

async function leaves() {
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Admin token").waitFor();
  seen.keptAfter = await page.evaluate(() => sessionStorage.length);
}

for (const step of [comesIn, registers, watches, revokes, pays, pauses, leaves]) {
  try {
    await step();
  } catch (error) {
    await shoot(page, "failed");
    throw new Error(`${step.name}: ${error.stack}`);
  }
}
console.log(JSON.stringify({ ...seen, ...(await leave()) }));
