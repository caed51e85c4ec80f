// Every view at the width of a phone and of a desktop, light and dark: pictures to look at, and axe's opinion.
import { buy, stream } from "./agent.mjs";
import { DESKTOP, PHONE, faults, go, leave, shoot, signIn, spills, visit } from "./browser.mjs";

const { ADMIN_TOKEN, FEED, VIEWS } = process.env;
const sizes = [["desktop", DESKTOP], ["phone", PHONE]];
const found = [];
const wide = [];
const live = FEED ? await stream(await buy(FEED)) : null;

for (const [size, viewport] of sizes) {
  for (const scheme of ["light", "dark"]) {
    const page = await visit(viewport, scheme);
    await signIn(page, ADMIN_TOKEN);
    for (const view of VIEWS.split(",")) {
      await go(page, view);
      // A rate needs two looks at the numbers, a line two rates.
      if (view === "Overview") await page.locator(".line").first().waitFor();
      await shoot(page, `${view.toLowerCase()}-${size}-${scheme}`);
      found.push(...(await faults(page, `${view} ${size} ${scheme}`)));
      wide.push(...(await spills(page, `${view} ${size}`)));
    }
    await page.context().close();
  }
}
live?.close();
console.log(JSON.stringify({ faults: found, wide, ...(await leave()) }));
