// Sessions in which agents of organisations negotiate: who, where each stands, and its head. What they say stays theirs; the
// operator's own two words, resume and breach, are messages of the session.

import { ApiError, get, post } from "./api.js";
import { open } from "./dialog.js";
import { actions, h } from "./dom.js";
import { form } from "./form.js";
import { ago, count, moment } from "./format.js";
import { badge, button, card, empty, id, say } from "./parts.js";
import { NONE, table } from "./table.js";

const STATES = {
  IDLE: ["idle", "Idle"],
  INVITED: ["busy", "Invited"],
  INTRODUCED: ["busy", "Introduced"],
  CONVERSING: ["good", "Conversing"],
  AGREEING: ["busy", "Agreeing"],
  EXECUTING: ["good", "Executing"],
  ESCALATED: ["warn", "Escalated"],
  CLOSED: ["idle", "Closed"],
  FAILED: ["bad", "Failed"],
};
const OVER = ["CLOSED", "FAILED"];
const FILTERS = [["", "All"], ["ESCALATED", "Escalated"], ["open", "Open"], ["over", "Over"]];

/** What the operator can say, and where it means something. */
const ACTS = {
  resume: {
    only: "ESCALATED",
    text: "Take back",
    title: (session) => `Take the escalation of ${session} back?`,
    hint: "Everybody in the session is told, as a message of agent://operator; it goes on where it stood before.",
    done: "The escalation is taken back.",
  },
  breach: {
    only: "EXECUTING",
    text: "Breach",
    title: (session) => `Was the commitment of ${session} broken?`,
    hint: "Everybody in the session is told, as a message of agent://operator, and the session has failed. This cannot be undone.",
    done: "The session has failed.",
  },
};

export const agentSessions = {
  name: "agent-sessions",
  title: "Agent sessions",
  lead: "Where agents of organisations negotiate. Every message is numbered, chained and signed; none is shown here.",
  every: 5000,
  state: () => ({ filter: "", search: "" }),

  async load({ search }) {
    try {
      return await sessions(search.trim());
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return null;
      throw error;
    }
  },

  start(root, view) {
    const act = async (kind, session) => (await speak(ACTS[kind], kind, session)) !== null && view.refresh();
    actions(root, {
      filter({ filter }) {
        view.state.filter = filter;
        view.draw();
      },
      resume: ({ session }) => act("resume", session),
      breach: ({ session }) => act("breach", session),
    });
    let waiting;
    root.addEventListener("input", (event) => {
      if (event.target.name !== "search") return;
      clearTimeout(waiting);
      waiting = setTimeout(() => {
        view.state.search = event.target.value;
        view.refresh();
      }, 250);
    });
  },

  draw(state, all) {
    if (all === null) return empty("This broker has no agent sessions", "Agents negotiate here once [asp] is configured; see the configuration reference.");
    return card("Agent sessions", { note: "Those that were begun last; an older one is found by its whole name.", wide: true }, filters(state), list(state, all));
  },
};

/** The newest, or the one of a name. */
async function sessions(search) {
  const all = await get("admin/asp/sessions");
  if (!/^[\w-]{1,64}$/.test(search)) return all.sessions;
  const found = all.sessions.filter((one) => one.sessionId === search);
  if (found.length > 0) return found;
  try {
    return [await get(`admin/asp/sessions/${encodeURIComponent(search)}`)];
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return [];
    throw error;
  }
}

function filters(state) {
  const choice = ([filter, text]) => button(text, "filter", { filter }, { "aria-pressed": String(state.filter === filter) });
  const search = h("input", { name: "search", type: "search", autocomplete: "off", spellcheck: "false", placeholder: "ase_…" });
  return h("div", { class: "filter", role: "search" }, h("div", { class: "choices", role: "group", "aria-label": "State" }, FILTERS.map(choice)), h("label", { class: "grow" }, "Session", search));
}

function list(state, all) {
  const kinds = { open: (one) => !OVER.includes(one.state), over: (one) => OVER.includes(one.state) };
  const rows = all.filter(kinds[state.filter] ?? ((one) => !state.filter || one.state === state.filter));
  if (rows.length > 0) return table("Agent sessions", COLUMNS, rows, (one) => one.sessionId);
  if (all.length === 0 && !state.search) return empty("No session was begun yet", "A session appears here when an agent begins one: POST /v1/asp/sessions.");
  return empty("No session is like that", "Look at all of them, or search for a whole name.");
}

function speak(act, kind, session) {
  return open(act.title(session), (close) => {
    const note = { name: "note", label: "Note", hint: act.hint };
    const send = async ({ note: text }) => {
      const said = await post(`admin/asp/sessions/${encodeURIComponent(session)}/${kind}`, { note: text });
      say(act.done);
      close(said);
    };
    return form([note], { word: act.text, send, cancel: () => close(), prefix: kind });
  });
}

const time = (at) => (at ? h("time", { datetime: at, title: moment(at) }, ago(at)) : NONE);

/** The operator's words that mean something now. */
function acts(one) {
  return Object.entries(ACTS)
    .filter(([, act]) => act.only === one.state)
    .map(([kind, act]) => button(act.text, kind, { session: one.sessionId }, { class: `button small${kind === "breach" ? " red" : ""}`, "aria-label": `${act.text}: ${one.sessionId}` }));
}

const COLUMNS = [
  { title: "Session", main: true, cell: (one) => h("span", { class: "two" }, id(one.sessionId, 8, 6), h("span", null, "begun ", time(one.createdAt))) },
  { title: "State", cell: (one) => badge(...(STATES[one.state] ?? ["idle", one.state])) },
  { title: "Between", cell: ({ participants: [first, ...others] }) => h("span", { class: "two" }, h("span", null, first), h("span", null, others.join(", "))) },
  { title: "Connected here", cell: (one) => (one.connected ? `${count(one.connected.length)} of ${count(one.participants.length)}` : NONE) },
  { title: "Messages", number: true, cell: (one) => count(one.head.sequenceNumber) },
  { title: "Head", cell: (one) => (one.head.sequenceNumber > 0 ? id(one.head.hash, 15, 6) : NONE) },
  { title: "Last message", cell: (one) => (one.head.sequenceNumber > 0 ? time(one.updatedAt) : NONE) },
  { title: "", cell: acts },
];
