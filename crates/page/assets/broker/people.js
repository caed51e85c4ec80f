// People and their sessions with the orchestrator: how many, in which phase, and what auto-pay has spent. Never what they say.

import { ApiError, get } from "./api.js";
import { actions, h } from "./dom.js";
import { ago, count, moment, plural, usd } from "./format.js";
import { badge, button, card, empty, figure, id } from "./parts.js";
import { NONE, table } from "./table.js";

const PHASES = {
  CONNECTED: ["good", "Open"],
  AGENT_CONNECTED: ["busy", "Agent found"],
  WORKING: ["busy", "Agent works"],
  AWAITING_PAYMENT: ["warn", "Asked to pay"],
  CLOSED: ["idle", "Closed"],
};
const FILTERS = [["", "All"], ["open", "Open"], ["AWAITING_PAYMENT", "Asked to pay"]];

export const people = {
  name: "people",
  title: "People",
  lead: "Who talks to the orchestrator, and what auto-pay spends for them. What they say passes through and is not shown.",
  every: 5000,
  state: () => ({ filter: "" }),

  async load() {
    try {
      return await get("admin/orchestrator");
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return null;
      throw error;
    }
  },

  start(root, view) {
    actions(root, {
      filter({ filter }) {
        view.state.filter = filter;
        view.draw();
      },
    });
  },

  draw(state, data) {
    if (data === null) return empty("This broker has no orchestrator", "People talk to agents through it once [orchestrator] is configured; see the configuration reference.");
    return [figures(data), peopleCard(data), sessionsCard(state, data)];
  },
};

function figures(data) {
  const sum = (member) => data.people.reduce((all, person) => all + (person.sessions?.[member] ?? 0), 0);
  const asked = sum("awaiting_payment");
  return h(
    "dl",
    { class: "figures", "data-key": "figures" },
    figure("People", count(data.people_total), data.people_total > data.people.length ? `the first ${count(data.people.length)} are below` : ""),
    figure("Open sessions", count(sum("open")), `${count(sum("working"))} with an agent at work`),
    figure("Asked to pay", count(asked), asked === 0 ? "nobody is" : "and have not answered", asked > 0 ? "warn" : ""),
    figure("Auto-pay today", usd(data.spent_today), "since midnight, UTC"),
  );
}

function peopleCard(data) {
  if (data.people.length === 0) return card("People", {}, empty("Nobody is known", "relay-broker person add NAME gives somebody an API key, which is shown this once."));
  return card("People", { wide: true }, table("People", PEOPLE, data.people, (person) => person.id));
}

/** What auto-pay has spent today of what it may, as words and a bar. */
function spent(person) {
  const { enabled, per_job: job, per_day: day } = person.auto_pay;
  const limits = enabled ? `${usd(person.spent_today)} of ${usd(day)} today, ${usd(job)} a job` : `${usd(person.spent_today)} today; it is off`;
  const share = { max: Math.max(1, Number(day)), value: Number(person.spent_today), "aria-label": `Spent by auto-pay for ${person.id} today` };
  return h("div", { class: "left" }, h("span", null, limits), enabled ? h("progress", share) : null);
}

const PEOPLE = [
  { title: "Person", main: true, cell: (one) => h("span", { class: "two" }, h("span", null, one.id), h("span", null, one.name === one.id ? "" : one.name)) },
  { title: "Open sessions", number: true, cell: (one) => (one.sessions ? count(one.sessions.open) : h("span", { class: "quiet" }, "not counted")) },
  { title: "At work", number: true, cell: (one) => (one.sessions ? count(one.sessions.working) : NONE) },
  { title: "Asked to pay", number: true, cell: (one) => (one.sessions ? count(one.sessions.awaiting_payment) : NONE) },
  { title: "Auto-pay", cell: spent },
  { title: "Prepaid account", cell: (one) => (one.account ? badge("good", "Linked") : badge("idle", "None")) },
  { title: "Payments kept", number: true, cell: (one) => (one.credits > 0 ? count(one.credits) : NONE) },
  { title: "API keys", cell: (one) => (one.keys > 0 ? plural(one.keys, "key") : badge("bad", "None")) },
];

function sessionsCard(state, data) {
  const fits = (one) => !state.filter || (state.filter === "open" ? one.phase !== "CLOSED" : one.phase === state.filter);
  const rows = data.sessions.filter(fits);
  const choice = ([filter, text]) => button(text, "filter", { filter }, { "aria-pressed": String(state.filter === filter) });
  const tools = h("div", { class: "choices", role: "group", "aria-label": "Phase" }, FILTERS.map(choice));
  const note = data.sessions_total > data.sessions.length ? `The ${count(data.sessions.length)} that changed last, of ${count(data.sessions_total)}` : "";
  if (rows.length === 0) return card("Sessions", { tools, note }, empty("No session is like that", data.sessions.length === 0 ? "A session appears here when somebody begins one: POST /api/sessions." : "Look at all of them, or wait."));
  return card("Sessions", { tools, note, wide: true }, table("Sessions", SESSIONS, rows, (one) => one.session_id));
}

const time = (at) => h("time", { datetime: at, title: moment(at) }, ago(at));

const SESSIONS = [
  { title: "Session", main: true, cell: (one) => id(one.session_id, 8, 4) },
  { title: "Person", cell: (one) => one.person },
  { title: "Phase", cell: (one) => badge(...(PHASES[one.phase] ?? ["idle", one.phase])) },
  { title: "Agent", cell: (one) => (one.agent_name ? h("span", { class: "two" }, h("span", null, one.agent_name)) : NONE) },
  { title: "Messages waiting", number: true, cell: (one) => (one.waiting_messages > 0 ? count(one.waiting_messages) : NONE) },
  { title: "Changed", cell: (one) => h("span", { class: "two" }, time(one.updated_at), h("span", null, "begun ", time(one.created_at))) },
];
