// A real Chromium, and what every visit to a page checks: nothing but its own origin is asked, nothing breaks the
// Content-Security-Policy, no script fails, and axe finds no serious fault.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";

const { ADMIN_URL, CHROMIUM, SHOTS } = process.env;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const DESKTOP = { width: 1280, height: 860 };
export const PHONE = { width: 390, height: 844 };

const problems = [];
const asked = new Set();
let browser;

/** A fresh browser profile with one page, at the sign-in. */
export async function visit(viewport = DESKTOP, colorScheme = "light") {
  browser ??= await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  const context = await browser.newContext({ viewport, colorScheme, acceptDownloads: true, reducedMotion: "reduce" });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.on("pageerror", (error) => problems.push(`script: ${error.message}`));
  page.on("console", (message) => {
    // A refused request is told by the browser too; the page shows it to its reader.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) problems.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => asked.add(new URL(request.url()).origin));
  await page.goto(ADMIN_URL);
  return page;
}

export async function signIn(page, token) {
  await page.getByLabel("Admin token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** Opens a view and waits until it has its data. */
export async function go(page, name) {
  await page.getByRole("navigation").getByRole("link", { name, exact: true }).click();
  await page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
  await page.locator(".loading").waitFor({ state: "detached" });
}

/** Keeps a picture of the page as it is. */
export async function shoot(page, name, fullPage = true) {
  await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage, animations: "disabled" });
}

/** Serious faults that axe finds, as lines. */
export async function faults(page, where) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  return serious.map(({ id, nodes }) => `${where}: ${id}: ${nodes.map((node) => node.html).slice(0, 3).join(" | ")}`);
}

/** What reaches beyond the screen, as lines; what scrolls by itself may. */
export async function spills(page, where) {
  const names = await page.evaluate(() => {
    const out = (element) => {
      const { left, right, width } = element.getBoundingClientRect();
      return width > 1 && (left < -1 || right > innerWidth + 1);
    };
    const scrolls = (element) => element.closest(".rail nav, thead") || (innerWidth > 768 && element.closest(".table-scroll"));
    const all = [...document.querySelectorAll("#app *")].filter((element) => !scrolls(element) && out(element));
    const tables = [...document.querySelectorAll(".table-scroll")].filter((table) => table.scrollWidth > table.clientWidth + 1);
    return [...all, ...tables].map((element) => `${element.nodeName} ${element.className} ${element.textContent.slice(0, 30)}`);
  });
  return names.slice(0, 3).map((name) => `${where}: ${name}`);
}

/** Waits until a question has an answer that is not false. */
export async function until(what, ask, within = 40_000) {
  const end = Date.now() + within;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 120));
  }
}

/** Ends the browser; what it saw go wrong. */
export async function leave() {
  await browser.close();
  return { problems, origins: [...asked].filter((origin) => origin !== "null") };
}
