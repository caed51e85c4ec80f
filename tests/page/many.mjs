// Ten thousand sessions: how long the page takes to show them, to turn pages, to narrow them; and whether it ever stands
// still.
import { faults, go, leave, shoot, signIn, until, visit } from "./browser.mjs";

const { ADMIN_TOKEN, WALLET } = process.env;
const page = await visit();
await page.evaluate(() => {
  globalThis.stalls = [];
  new PerformanceObserver((list) => globalThis.stalls.push(...list.getEntries().map((entry) => entry.duration))).observe({ type: "longtask" });
});

async function timed(act) {
  const began = performance.now();
  await act();
  return Math.round(performance.now() - began);
}

const shown = (text) => page.locator(".card .note").filter({ hasText: text }).waitFor();
const seen = { faults: [] };
await signIn(page, ADMIN_TOKEN);
await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
seen.first = await timed(async () => {
  await go(page, "Sessions");
  await shown("1 to 50 of 10,000");
});
seen.turns = [];
for (let number = 2; number <= 12; number += 1) {
  const from = (number - 1) * 50;
  seen.turns.push(
    await timed(async () => {
      await page.getByRole("button", { name: "Older" }).click();
      await shown(`${from + 1} to ${from + 50} of 10,000`);
    }),
  );
}
seen.rows = await page.locator("tbody tr").count();
seen.narrowed = await timed(async () => {
  await page.getByRole("group", { name: "State" }).getByRole("button", { name: "Ended" }).click();
  await shown("of 1,000");
});
seen.found = await timed(async () => {
  await page.getByRole("group", { name: "State" }).getByRole("button", { name: "All" }).click();
  await page.getByLabel("Session or wallet").fill(WALLET);
  await shown("1 to 1 of 1,");
});
const download = page.waitForEvent("download", { timeout: 120_000 });
await page.getByLabel("Session or wallet").fill("");
await shown("of 10,000");
await page.getByRole("button", { name: "Export CSV" }).click();
const stream = await (await download).createReadStream();
let lines = 0;
for await (const chunk of stream) lines += String(chunk).split("\r\n").length - 1;
seen.exported = lines;
seen.longest = await until("stalls are told", () => page.evaluate(() => Math.round(Math.max(1, ...globalThis.stalls))));
// What axe takes is not the page's.
seen.faults.push(...(await faults(page, "many sessions")));
await shoot(page, "sessions-many");
console.log(JSON.stringify({ ...seen, ...(await leave()) }));
