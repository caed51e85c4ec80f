// Sessions, newest first, a page at a time: the server pages, so that ten thousand of them are no more work than fifty.

import { get, query } from "./api.js";
import { actions, h } from "./dom.js";
import { exportSessions } from "./exports.js";
import { UNITS, ago, count, usd } from "./format.js";
import { badge, button, card, empty, id } from "./parts.js";
import { openSession } from "./session.js";
import { table } from "./table.js";

const PAGE = 50;

const STATES = { live: ["busy", "Live"], idle: ["good", "Open"], frozen: ["warn", "Frozen"], ended: ["idle", "Ended"] };
const FILTERS = [["", "All"], ["live", "Live"], ["idle", "Open"], ["frozen", "Frozen"], ["ended", "Ended"]];

export const sessions = {
  name: "sessions",
  title: "Sessions",
  lead: "What agents have paid for: each a balance of units that streams draw from.",
  every: 2000,
  state: () => ({ filter: "", feed: "", search: "", pages: [""] }),

  async load(state) {
    const feeds = get("admin/feeds");
    const search = state.search.trim();
    if (/^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(search)) return { ...(await one(search)), feeds: (await feeds).feeds };
    const found = await get(
      query("admin/sessions", { order: "newest", state: state.filter, feed: state.feed, payer: search, after: state.pages.at(-1), limit: PAGE }),
    );
    return { ...found, feeds: (await feeds).feeds };
  },

  start(root, view) {
    listen(root, view);
  },

  draw(state, data) {
    return card("Sessions", { note: place(state, data), tools: button("Export CSV", "export"), key: "sessions", wide: true }, filters(state, data.feeds), list(state, data));
  },
};

async function one(jti) {
  try {
    return { sessions: [await get(`admin/sessions/${encodeURIComponent(jti)}`)], matching: 1, before: 0, next: null };
  } catch (error) {
    if (error.status !== 404) throw error;
    return { sessions: [], matching: 0, before: 0, next: null };
  }
}

function listen(root, view) {
  const anew = (change) => {
    Object.assign(view.state, change, { pages: [""] });
    view.refresh();
  };
  actions(root, {
    filter: ({ filter }) => anew({ filter }),
    older() {
      view.state.pages.push(view.data.next);
      view.refresh();
    },
    newer() {
      view.state.pages.pop();
      view.refresh();
    },
    export: () => exportSessions(view.state),
    clear: () => anew({ filter: "", feed: "", search: "" }),
    session: async ({ jti }) => {
      await openSession(jti);
      view.refresh();
    },
  });
  let waiting;
  root.addEventListener("input", (event) => {
    if (event.target.name !== "search") return;
    clearTimeout(waiting);
    waiting = setTimeout(() => anew({ search: event.target.value }), 250);
  });
  root.addEventListener("change", (event) => event.target.name === "feed" && anew({ feed: event.target.value }));
}

function filters(state, feeds) {
  const choice = ([filter, text]) => button(text, "filter", { filter }, { "aria-pressed": String(state.filter === filter) });
  const option = (feed) => h("option", { value: feed.id }, feed.id);
  return h(
    "div",
    { class: "filter", role: "search" },
    h("div", { class: "choices", role: "group", "aria-label": "State" }, FILTERS.map(choice)),
    h("label", null, "Feed", h("select", { name: "feed" }, h("option", { value: "" }, "Every feed"), feeds.map(option))),
    h("label", { class: "grow" }, "Session or wallet", h("input", { name: "search", type: "search", autocomplete: "off", spellcheck: "false", placeholder: "jti, or address of the payer" })),
  );
}

function place(state, { sessions: rows, matching, before, older }) {
  if (matching === 0) return "";
  const range = `${count(before + 1)} to ${count(before + rows.length)} of ${count(matching)}`;
  return older > 0 ? `${range}, newest first; ${count(older)} older ones are found by id or wallet` : `${range}, newest first`;
}

function list(state, { sessions: rows, next }) {
  const narrowed = state.filter || state.feed || state.search;
  if (rows.length === 0 && narrowed) return empty("No session is like that", "Look in another state or feed, or search for a whole id or address.", button("Show all", "clear"));
  if (rows.length === 0) return empty("No session was sold yet", "A session appears here as soon as an agent has paid for a feed.", h("a", { class: "button", href: "#feeds" }, "See feeds"));
  return [
    table("Sessions", COLUMNS, rows, (row) => row.jti),
    h("div", { class: "pages", "data-key": "pages" }, button("Newer", "newer", {}, { disabled: state.pages.length === 1 }), h("span", null, `Page ${state.pages.length}`), button("Older", "older", {}, { disabled: !next })),
  ];
}

/** A session's state as a badge. */
export function stateOf(row) {
  const [tone, text] = STATES[row.state] ?? ["idle", row.state];
  if (row.revoked) return badge("bad", "Revoked");
  if (row.closed) return badge("idle", "Closed");
  return badge(tone, text);
}

/** What is left of a session, as a number and a bar. */
export function left(row) {
  const share = row.bought === 0 ? 0 : row.remaining / row.bought;
  const text = `${count(row.remaining)} of ${count(row.bought)} ${UNITS[row.unit] ?? row.unit}`;
  const bar = h("progress", { max: row.bought, value: row.remaining, class: share < 0.15 ? "low" : "", "aria-label": `Left of session ${row.jti}` });
  return h("div", { class: "left" }, h("span", null, text), bar);
}

const COLUMNS = [
  { title: "Session", main: true, cell: (row) => h("span", { class: "two" }, h("span", null, row.feed), id(row.jti, 8, 4)) },
  { title: "State", cell: stateOf },
  { title: "Left", cell: left },
  { title: "Streams", number: true, cell: (row) => count(row.live_streams) },
  { title: "Deposited", number: true, cell: (row) => usd(row.deposited) },
  { title: "Payer", cell: (row) => id(row.payer, 6, 4) },
  { title: "Opened", cell: (row) => h("time", { datetime: row.opened, title: row.opened }, ago(row.opened)) },
  { title: "", cell: (row) => button("Details", "session", { jti: row.jti }, { class: "button small", "aria-label": `Details of session ${row.jti}` }) },
];
