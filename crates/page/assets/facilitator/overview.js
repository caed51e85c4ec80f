// The first view: what needs a hand, what is going on, what it brings in.

import { get } from "./api.js";
import { bars, isNarrow } from "./chart.js";
import { actions, h } from "./dom.js";
import { count, day, hour, plural, usd, usdShort } from "./format.js";
import { settlementLatency } from "./latency.js";
import { button, card, empty, figure, notice } from "./parts.js";
import { look, unitsPerSecond } from "./rates.js";

export const overview = {
  name: "overview",
  title: "Overview",
  every: 2000,
  state: () => ({ by: "hours" }),

  async load() {
    const [books, metrics, feeds] = await Promise.all([get("admin/overview"), get("metrics"), get("admin/feeds")]);
    look(books);
    return { books, metrics, feeds: feeds.feeds };
  },

  start(root, view) {
    actions(root, {
      by({ by }) {
        view.state.by = by;
        view.draw();
      },
    });
  },

  draw(state, { books, metrics, feeds }) {
    return [
      attention(books, feeds, metrics),
      figures(books),
      h("div", { class: "pair", "data-key": "pictures" }, unitsPerSecond(), settlementLatency(metrics)),
      revenue(state, books.series),
    ];
  },
};

function attention(books, feeds, metrics) {
  const all = [];
  const link = (view, text) => h("a", { href: `#${view}` }, text);
  if (!books.balanced) all.push(notice("bad", "The books do not balance: some session's numbers contradict each other. Stop paying out and look into the log."));
  if (/^tollwire_custody_short\{[^}]*\} 1$/m.test(metrics)) all.push(notice("bad", "A deposit wallet holds less than is owed on its chain; nobody is paid out there.", link("chains", "See chains")));
  if (books.payments_in_doubt > 0) all.push(notice("warn", `${plural(books.payments_in_doubt, "payment")} in doubt: whether the money moved is not known yet.`, link("money", "See payments in doubt")));
  if (books.refunds_in_doubt > 0) all.push(notice("warn", `${plural(books.refunds_in_doubt, "refund")} under way.`, link("sessions", "See sessions")));
  if (books.payouts_in_doubt > 0) all.push(notice("warn", `${plural(books.payouts_in_doubt, "payout")} under way.`, link("money", "See payouts")));
  if (books.draining) all.push(notice("warn", "This node is draining: it takes no new streams and will stop."));
  if (feeds.length === 0) all.push(notice("warn", "No feed is for sale.", link("feeds", "Add a feed")));
  if (all.length === 0) all.push(notice("good", "All is well: the books balance, and nothing is in doubt."));
  return h("div", { class: "notices", "data-key": "attention" }, all);
}

function figures({ live, totals, payments_in_doubt: doubt }) {
  const money = totals.usdc;
  return h(
    "dl",
    { class: "figures", "data-key": "figures" },
    figure("Live streams", count(live.streams), `in ${plural(live.sessions, "session")}`),
    figure("Earned", usd(money.accrued), `of ${usd(money.deposited)} deposited`),
    figure("Our fee", usd(money.fee), `providers get ${usd(money.provider_net)}`),
    figure("Not used yet", usd(money.unspent), "owed to payers"),
    figure("In doubt", count(doubt), doubt === 0 ? "every payment is decided" : "looked after by the node", doubt > 0 ? "warn" : ""),
  );
}

function revenue(state, series) {
  const periods = series[state.by];
  const choice = (by, text) => button(text, "by", { by }, { "aria-pressed": String(state.by === by) });
  const tools = h("div", { class: "choices", role: "group", "aria-label": "Period" }, choice("hours", "48 hours"), choice("days", "30 days"));
  const note = "By the time at which a session was opened: what was paid in, and what of it was used up to now.";
  const sum = (member) => periods.reduce((all, period) => all + BigInt(period[member]), 0n);
  const [deposited, earned] = [sum("deposited"), sum("earned")];
  const options = { note, tools, key: "revenue" };
  if (deposited === 0n) {
    return card("Revenue over time", options, empty("Nothing was sold in this time", "Agents find what is for sale at GET /feeds, and pay by themselves."));
  }
  const named = (start) => (state.by === "hours" ? hour(start) : day(start));
  const every = (state.by === "hours" ? 8 : 5) * (isNarrow() ? 2 : 1);
  const picture = bars({
    wide: true,
    label: `Deposits of ${usd(deposited)} and earnings of ${usd(earned)}, by the ${state.by === "hours" ? "hour of the last 48 hours" : "day of the last 30 days"}.`,
    bars: periods.map((period, place) => ({
      label: (periods.length - 1 - place) % every === 0 && place > 1 ? named(period.start) : "",
      title: `${named(period.start)}: ${usd(period.deposited)} deposited, ${usd(period.earned)} earned, ${plural(period.sessions, "session")}`,
      values: [Number(period.deposited), Number(period.earned)],
    })),
    tick: (value) => usdShort(Math.round(value)),
    entries: [
      { tone: "s1 faint", text: `Deposited: ${usd(deposited)}` },
      { tone: "s1", text: `Earned of it: ${usd(earned)}` },
    ],
  });
  return card("Revenue over time", options, picture);
}
