// Money: who earned where, what was paid out, and what is in doubt.

import { get, query } from "./api.js";
import { actions, h } from "./dom.js";
import { exportPayouts, exportProviders } from "./exports.js";
import { ago, count, moment, network, plural, usd } from "./format.js";
import { badge, button, card, empty, id } from "./parts.js";
import { payoutRound } from "./payouts.js";
import { table } from "./table.js";

/** Rows of each kind that are shown; the export has all. */
const SHOWN = 100;

export const money = {
  name: "money",
  title: "Money",
  lead: "What providers earned, what they were paid, and payments whose fate the chain has not told yet.",
  every: 5000,

  async load() {
    const [books, payouts, doubt] = await Promise.all([get("admin/overview"), get("admin/payouts"), get(query("admin/payments/in-doubt", { limit: SHOWN }))]);
    return { providers: books.providers, payouts: payouts.payouts, doubt, inDoubt: books.payments_in_doubt };
  },

  start(root, view) {
    actions(root, {
      run: async () => (await payoutRound()) !== null && view.refresh(),
      "export-providers": () => exportProviders(view.data.providers),
      "export-payouts": () => exportPayouts(view.data.payouts),
    });
  },

  draw(_, { providers, payouts, doubt, inDoubt }) {
    return [providersCard(providers), payoutsCard(payouts), doubtCard(doubt.payments, inDoubt)];
  },
};

function providersCard(providers) {
  const note = "Earned is the value of units used; of it, our fee and gas are kept, and the rest is due to the provider until it is paid out.";
  const tools = [button("Export CSV", "export-providers"), button("Run a payout", "run", {}, { class: "button primary" })];
  if (providers.length === 0) return card("By provider and chain", { note, tools }, empty("Nobody has earned anything yet", "Once a session is sold, its provider stands here with what is due."));
  return card("By provider and chain", { note, tools }, table("By provider and chain", PROVIDERS, providers, (one) => `${one.network} ${one.provider}`));
}

/** What a provider gets that was not handed to a payout yet. */
export const due = (one) => BigInt(one.usdc.provider_net) - BigInt(one.usdc.handed);

const PROVIDERS = [
  { title: "Provider", main: true, cell: (one) => h("span", { class: "two" }, one.provider ? id(one.provider, 10, 6) : h("span", null, "Without a wallet"), h("span", null, network(one.network))) },
  { title: "Sessions", number: true, cell: (one) => count(one.sessions) },
  { title: "Deposited", number: true, cell: (one) => usd(one.usdc.deposited) },
  { title: "Earned", number: true, cell: (one) => usd(one.usdc.accrued) },
  { title: "Our fee", number: true, cell: (one) => usd(one.usdc.fee) },
  { title: "Gas", number: true, cell: (one) => usd(one.usdc.gas) },
  { title: "To payouts", number: true, cell: (one) => usd(one.usdc.handed) },
  { title: "Due", number: true, cell: (one) => h("strong", null, usd(one.provider ? due(one) : 0n)) },
];

const STATES = { gathering: ["busy", "Gathering"], pending: ["warn", "Under way"], paid: ["good", "Paid"] };

function payoutsCard(payouts) {
  const tools = button("Export CSV", "export-payouts");
  const note = payouts.length > SHOWN ? `The newest ${SHOWN} of ${count(payouts.length)}.` : plural(payouts.length, "payout");
  if (payouts.length === 0) return card("Payouts", {}, empty("Nobody was paid yet", "Payouts are made as the configuration says, or at once by “Run a payout”."));
  const newest = payouts.toSorted((a, b) => b.opened.localeCompare(a.opened)).slice(0, SHOWN);
  return card("Payouts", { note, tools }, table("Payouts", PAYOUTS, newest, (one) => `${one.account}/${one.number}`));
}

const PAYOUTS = [
  { title: "Payout", main: true, cell: (one) => h("span", { class: "two" }, id(one.to, 10, 6), h("span", null, `${network(one.network)}, no. ${one.number}`)) },
  { title: "State", cell: (one) => badge(...(STATES[one.state] ?? ["idle", one.state])) },
  { title: "Amount", number: true, cell: (one) => usd(one.amount) },
  { title: "From sessions", number: true, cell: (one) => count(one.parts) },
  { title: "Begun", cell: (one) => h("time", { datetime: one.opened }, moment(one.opened)) },
  { title: "Transaction", cell: (one) => id(one.transaction, 10, 6) },
];

function doubtCard(payments, all) {
  const note = "The node asks the chain again and again. A payment in doubt is never replaced by another.";
  if (payments.length === 0) return card("Payments in doubt", { note }, empty("None", "Of every payment it is known whether the money moved."));
  const more = all > payments.length ? `${note} The first ${count(payments.length)} of ${count(all)}.` : note;
  return card("Payments in doubt", { note: more }, table("Payments in doubt", DOUBT, payments, (one) => one.payment));
}

const BOUGHT = { session: "A session", "top-up": "A top-up", plain: "For another server" };

const DOUBT = [
  { title: "Payment", main: true, cell: (one) => h("span", { class: "two" }, id(one.payment, 18, 8), h("span", null, `${BOUGHT[one.purchase] ?? one.purchase}, ${one.feed}`)) },
  { title: "Amount", number: true, cell: (one) => usd(one.amount) },
  { title: "Payer", cell: (one) => h("span", { class: "two" }, id(one.payer, 8, 4), h("span", null, network(one.network))) },
  { title: "Recorded", cell: (one) => h("time", { datetime: one.recorded }, ago(one.recorded)) },
  { title: "Valid until", cell: (one) => h("time", { datetime: one.valid_before }, moment(one.valid_before)) },
  { title: "Transaction", cell: (one) => id(one.transactions.at(-1), 10, 6) },
];
