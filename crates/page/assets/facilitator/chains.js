// Chains: whether the deposit wallets cover what is owed, and what is left for gas.

import { get } from "./api.js";
import { h } from "./dom.js";
import { coins, network, usd } from "./format.js";
import { badge, card, empty, id, notice } from "./parts.js";
import { table } from "./table.js";

export const chains = {
  name: "chains",
  title: "Chains",
  lead: "Where money is: what each deposit wallet holds beside what is owed, and what the settlement accounts have left for gas.",
  every: 15_000,
  load: () => get("admin/chains"),

  draw(_, { chains: all }) {
    if (all.length === 0) return empty("No chain is configured", "Write a [[chain]] into the configuration and start the node again.");
    return all.map(chain);
  },
};

function chain(one) {
  const note = one.dev ? "Play money: the dev chain lives in this process." : one.network;
  const facts = [
    ["Cover", cover(one)],
    ["In the deposit wallet", one.custody === null ? "unknown: the chain cannot be asked now" : usd(one.custody)],
    ["Owed", one.owed === null ? "unknown" : usd(one.owed)],
    ["Deposit wallet", id(one.deposit_wallet, 44, 4)],
    ["USDC", id(one.asset, 44, 4)],
  ];
  return card(
    network(one.network),
    { note, key: one.network },
    h("dl", { class: "facts" }, facts.map(([term, text]) => [h("dt", null, term), h("dd", null, text)])),
    accounts(one),
  );
}

function cover(one) {
  if (one.short === null) return badge("warn", "Unknown");
  return one.short ? badge("bad", "Less than is owed") : badge("good", "Covered");
}

function accounts(one) {
  const heading = h("h3", { class: "spaced" }, "Settlement accounts");
  if (one.purses === null) return [heading, notice("warn", "The chain cannot be asked what they have left.")];
  if (one.purses.length === 0) {
    return [heading, h("p", { class: "note" }, "Transactions cost nothing here. Signed by ", one.accounts.map((account) => id(account, 44, 4)))];
  }
  return [heading, table(`Settlement accounts on ${network(one.network)}`, PURSES, one.purses, (purse) => purse.account)];
}

const PURSES = [
  { title: "Account", main: true, cell: (purse) => id(purse.account, 12, 6) },
  { title: "Balance", number: true, cell: (purse) => `${coins(purse.balance, purse.decimals)} ${purse.coin}` },
  { title: "State", cell: (purse) => (purse.low ? badge("bad", "Low: fund it") : badge("good", "Enough")) },
];
