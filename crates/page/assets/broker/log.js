// The event log: what happened, with sizes, hashes and times. It has no payload, and so neither has this page.

import { ApiError, get, query } from "./api.js";
import { lines, save } from "./csv.js";
import { actions, h } from "./dom.js";
import { count, moment, usd } from "./format.js";
import { badge, button, card, empty, id } from "./parts.js";
import { NONE, table } from "./table.js";

/** Entries asked for. */
const NEWEST = 200;

const WHAT = {
  accepted: ["busy", "Accepted"],
  delivered: ["busy", "Given to agent"],
  refused: ["warn", "Refused"],
  replied: ["good", "Answered"],
  failed: ["bad", "Failed"],
  received: ["good", "Answer arrived"],
  lapsed: ["warn", "Answer not fetched"],
  spoof: ["bad", "Another's event"],
  registration: ["idle", "Registration"],
  payment_held: ["busy", "Price held"],
  payment_captured: ["good", "Price taken"],
  payment_released: ["idle", "Price given back"],
  payment_settled: ["good", "Payment settled"],
  payment_used: ["good", "Payment used"],
  credit_kept: ["warn", "Payment kept for later"],
  credit_taken: ["busy", "Kept payment taken"],
  credit_used: ["good", "Kept payment used"],
  credit_returned: ["warn", "Kept payment returned"],
};
const FILTERS = [["", "All"], ["trouble", "Trouble"], ["money", "Money"], ["registration", "Registrations"]];
const TROUBLE = ["refused", "failed", "lapsed", "spoof"];
const COLUMN_NAMES = ["seq", "at", "what", "app_id", "agent_id", "thread_id", "event_id", "status", "code", "bytes", "sha256", "latency_ms", "person_id", "service_agent", "action", "amount", "source", "tx_hash"];

/** What a filter lets through. */
const FITS = { trouble: (one) => TROUBLE.includes(one.what), money: (one) => one.amount !== undefined };

export const log = {
  name: "log",
  title: "Event log",
  lead: "Who asked whom, how it ended, and how long it took. Sizes and hashes stand for content.",
  every: 3000,
  state: () => ({ filter: "" }),

  async load() {
    try {
      const text = await get(query("admin/audit", { newest: NEWEST }));
      return text.split("\n").filter(Boolean).map((line) => JSON.parse(line)).reverse();
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return [];
      throw error;
    }
  },

  start(root, view) {
    actions(root, {
      filter({ filter }) {
        view.state.filter = filter;
        view.draw();
      },
      export: () => save("tollwire-events.csv", [lines([COLUMN_NAMES, ...view.data.map((one) => COLUMN_NAMES.map((name) => one[name]))])]),
    });
  },

  draw(state, all) {
    const rows = all.filter(FITS[state.filter] ?? ((one) => !state.filter || one.what === state.filter));
    const choice = ([filter, text]) => button(text, "filter", { filter }, { "aria-pressed": String(state.filter === filter) });
    const tools = [h("div", { class: "choices", role: "group", "aria-label": "Kind" }, FILTERS.map(choice)), button("Export CSV", "export")];
    const note = `The newest ${count(all.length)} entries, newest first`;
    if (rows.length === 0) return card("Events", { tools, note }, empty("Nothing of that kind", all.length === 0 ? "Nothing has happened yet." : "Look at all entries, or wait."));
    return card("Events", { tools, note, wide: true }, table("Events", COLUMNS, rows, (one) => one.seq));
  },
};

const COLUMNS = [
  { title: "Event", main: true, cell: (one) => badge(...(WHAT[one.what] ?? ["idle", one.what])) },
  { title: "When", cell: (one) => h("time", { datetime: new Date(one.at).toISOString() }, moment(one.at)) },
  { title: "App or person", cell: (one) => one.app_id ?? one.person_id ?? NONE },
  { title: "Agent", cell: (one) => one.agent_id ?? one.service_agent ?? NONE },
  { title: "Amount", number: true, cell: (one) => (one.amount === undefined ? NONE : usd(one.amount)) },
  { title: "Code", cell: (one) => one.code ?? NONE },
  { title: "Bytes", number: true, cell: (one) => (one.bytes === undefined ? NONE : count(one.bytes)) },
  { title: "Took", number: true, cell: (one) => (one.latency_ms === undefined ? NONE : `${count(one.latency_ms)} ms`) },
  { title: "SHA-256", cell: (one) => (one.sha256 ? id(one.sha256, 8, 4) : NONE) },
];
