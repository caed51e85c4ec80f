// One session: how it stands, what happened to it, and what an operator can do about it.

import { ApiError, get, post } from "./api.js";
import { confirm } from "./confirm.js";
import { open } from "./dialog.js";
import { actions, h } from "./dom.js";
import { UNITS, ago, count, moment, network, usd } from "./format.js";
import { show } from "./morph.js";
import { button, id, notice, say } from "./parts.js";
import { left, stateOf } from "./sessions.js";
import { NONE, table } from "./table.js";

const EVERY = 1500;

const KINDS = {
  credit: "Bought", capture: "Used", forgo: "Used beyond its hold, not charged", reverse: "Given back", expire: "Fell due",
  revoke: "Revoked", close: "Closed", refund: "Refund ordered", handover: "Earned, handed to a payout", freeze: "Deposit taken back by the chain", thaw: "Deposit back",
};

/** Shows a session until the dialog is closed. */
export function openSession(jti) {
  const path = `admin/sessions/${encodeURIComponent(jti)}`;
  return open(
    "Session",
    (close) => {
      const body = h("div", { class: "body" }, h("p", { class: "loading" }, "Loading…"));
      const foot = h("footer", null);
      const root = h("div", { class: "session" }, body, foot);
      let timer;
      const refresh = async () => {
        clearTimeout(timer);
        if (!root.isConnected) return;
        try {
          const row = await get(path);
          show(body, facts(row));
          show(foot, acts(row));
        } catch (error) {
          if (!(error instanceof ApiError)) throw error;
          show(body, notice("bad", error.message));
        }
        timer = setTimeout(refresh, EVERY);
      };
      actions(root, doings(path, refresh));
      queueMicrotask(refresh);
      return root;
    },
    { wide: true },
  );
}

function doings(path, refresh) {
  const ask = async (title, text, word, done, act) => {
    if ((await confirm(title, text, word, act)) !== null) say(done);
    refresh();
  };
  return {
    revoke: () =>
      ask("Revoke this session?", ["Nothing more is served from it, and its streams end within a second. This cannot be undone.", "What is left stays in the balance; refund it afterwards if its payer should have it."], "Revoke", "The session is revoked.", () => post(`${path}/revoke`)),
    close: () =>
      ask("Close this session?", "Its streams end, and what is left goes where the configuration says: by default back to its payer, on chain. This cannot be undone.", "Close", "The session is closed.", () => post(`${path}/close`)),
    refund: () =>
      ask("Refund what is left?", "What was not used is sent to the payer's wallet, less the gas of sending it. Money that was sent does not come back.", "Refund", "The refund is under way.", () => post(`${path}/refund`)),
  };
}

function facts(row) {
  const pairs = [
    ["Session", id(row.jti, 40, 4)],
    ["State", stateOf(row)],
    ["Feed", row.feed],
    ["Left", left(row)],
    ["Used", `${count(row.captured)} ${UNITS[row.unit] ?? row.unit}${row.held > 0 ? `, ${count(row.held)} held for streams` : ""}`],
    ["Deposited", `${usd(row.deposited)} on ${network(row.network)}, gas ${usd(row.gas)}`],
    ["Payer", id(row.payer, 44, 4)],
    ["Provider", id(row.provider, 44, 4)],
    ["Opened", h("time", { datetime: row.opened }, `${moment(row.opened)} (${ago(row.opened)})`)],
    ["Balance until", h("time", { datetime: row.balance_until }, moment(row.balance_until))],
  ];
  return [
    h("dl", { class: "facts", "data-key": "facts" }, pairs.map(([term, text]) => [h("dt", null, term), h("dd", null, text)])),
    row.streams.length > 0 ? [h("h3", { "data-key": "streams" }, `Live streams (${row.streams.length})`), table("Live streams", STREAMS, row.streams, (one) => one.stream)] : [],
    row.refunds.length > 0 ? [h("h3", { "data-key": "refunds" }, "Refunds"), table("Refunds", REFUNDS, row.refunds, (one) => one.number)] : [],
    h("h3", { "data-key": "history" }, "What happened, newest first"),
    table("What happened", HISTORY, row.journal.map((entry, place) => ({ ...entry, place: row.journal.length - place })), (entry) => entry.place),
  ];
}

function acts(row) {
  const over = row.revoked || row.closed;
  return [
    over ? null : button("Revoke", "revoke", {}, { class: "button red" }),
    row.closed ? null : button("Close the session", "close"),
    row.closed && row.remaining > 0 ? button("Refund what is left", "refund") : null,
  ];
}

const STREAMS = [
  { title: "Stream", main: true, cell: (one) => id(one.stream, 20, 6) },
  { title: "Held ahead", number: true, cell: (one) => count(one.held) },
  { title: "Over at the latest", cell: (one) => moment(one.until) },
];

const REFUNDS = [
  { title: "Refund", main: true, cell: (one) => `No. ${one.number}` },
  { title: "State", cell: (one) => one.state },
  { title: "Amount", number: true, cell: (one) => usd(one.amount) },
  { title: "Transaction", cell: (one) => id(one.transaction, 10, 6) },
];

const HISTORY = [
  { title: "What", main: true, cell: (entry) => KINDS[entry.kind] ?? entry.kind },
  { title: "Units", number: true, cell: (entry) => (entry.units > 0 ? count(entry.units) : NONE) },
  { title: "When", cell: (entry) => h("time", { datetime: entry.at }, moment(entry.at)) },
  { title: "Stream or payment", cell: (entry) => id(entry.stream ?? entry.payment, 14, 6) },
];
