// Tables as files.

import { get, query } from "./api.js";
import { lines, save } from "./csv.js";
import { say } from "./parts.js";

/** Rows asked for at once. */
const PAGE = 500;

/** The most rows of one file. */
const MOST = 200_000;

const SESSION = ["jti", "state", "feed", "unit", "payer", "network", "deposited", "gas", "bought", "captured", "held", "remaining", "refunded", "expired", "live_streams", "opened", "balance_until", "revoked", "closed", "frozen"];
const PAYOUT = ["account", "number", "network", "to", "state", "amount", "gathered", "parts", "gas_withheld", "opened", "sealed", "transaction", "block", "gas"];
const MONEY = ["deposited", "accrued", "provider_net", "handed", "fee", "gas", "gas_uncovered", "refunded", "refund_gas", "unspent"];

const today = () => new Date().toISOString().slice(0, 10);

/** All sessions that a view's filter lets through; amounts in atomic USDC. */
export async function exportSessions({ filter, feed, search }) {
  const parts = [lines([SESSION])];
  // Without a filter, in the order of ids, which has no end; with one, the newest.
  const narrowed = filter || feed || search.trim();
  let after = "";
  let rows = 0;
  do {
    const shape = narrowed ? { order: "newest", state: filter, feed, payer: search.trim() } : {};
    const page = await get(query("admin/sessions", { ...shape, after, limit: PAGE }));
    parts.push(lines(page.sessions.map((row) => SESSION.map((name) => row[name]))));
    rows += page.sessions.length;
    after = page.next;
    say(`${rows.toLocaleString("en-US")} sessions…`);
  } while (after && rows < MOST);
  save(`tollwire-sessions-${today()}.csv`, parts);
  say(after ? `The first ${rows.toLocaleString("en-US")} sessions were exported; there are more.` : `${rows.toLocaleString("en-US")} sessions were exported.`);
}

/** All payouts; amounts in atomic USDC. */
export function exportPayouts(payouts) {
  save(`tollwire-payouts-${today()}.csv`, [lines([PAYOUT, ...payouts.map((one) => PAYOUT.map((name) => one[name]))])]);
}

/** What providers earned; amounts in atomic USDC. */
export function exportProviders(providers) {
  const rows = providers.map((one) => [one.network, one.provider, one.sessions, ...MONEY.map((name) => one.usdc[name])]);
  save(`tollwire-providers-${today()}.csv`, [lines([["network", "provider", "sessions", ...MONEY], ...rows])]);
}
