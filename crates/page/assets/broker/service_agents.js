// The agents that the orchestrator chooses from: where each is, what it can do, and how it was when last asked.

import { ApiError, get } from "./api.js";
import { h } from "./dom.js";
import { ago, moment, network, plural } from "./format.js";
import { badge, card, empty, id } from "./parts.js";
import { NONE, table } from "./table.js";

export const serviceAgents = {
  name: "service-agents",
  title: "Service agents",
  lead: "Whom the orchestrator has work done by. Health is what the broker that you look at has seen.",
  every: 5000,

  async load() {
    try {
      const [all, bridge] = await Promise.all([get("admin/service-agents"), get("admin/agents")]);
      const here = new Map(bridge.agents.map((agent) => [agent.id, agent.connected]));
      return all.agents.map((agent) => ({ ...agent, here: here.get(agent.bridge_agent) ?? 0 }));
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return null;
      throw error;
    }
  },

  draw(_, all) {
    if (all === null) return empty("This broker has no orchestrator", "It has agents do what people ask for once [orchestrator] is configured; see the configuration reference.");
    if (all.length === 0) return card("Service agents", {}, empty("No agent is registered", "Register one: POST /admin/service-agents with its address, or the bridge agent that it is."));
    return card("Service agents", { wide: true }, table("Service agents", COLUMNS, all, (agent) => agent.slug));
  },
};

/** How it is: one of the bridge by its connection, one over HTTP by what it last answered. */
function health(agent) {
  if (agent.bridge_agent) return agent.here > 0 ? badge("good", "Connected") : badge("idle", "Away");
  const checked = agent.last_health_check_at;
  if (!checked) return badge("idle", "Not asked yet");
  const when = h("time", { datetime: checked, title: moment(checked) }, `asked ${ago(checked)}`);
  const failures = agent.consecutive_health_failures;
  const state = agent.last_health_status === "ok" ? badge("good", "Healthy") : badge("bad", failures > 1 ? `Failed ${failures} times` : "Failed");
  return h("span", { class: "two" }, state, when);
}

/** What it can do, and for how much. */
function abilities({ actions }) {
  if (actions.length === 0) return badge("warn", "Says nothing");
  const shown = actions.slice(0, 3).map((action) => (action.price ? `${action.name} for $${action.price}` : `${action.name}, free`));
  const rest = actions.length > 3 ? `, and ${plural(actions.length - 3, "more", "more")}` : "";
  return h("span", { class: "two" }, h("span", null, plural(actions.length, "action")), h("span", null, shown.join("; ") + rest));
}

const COLUMNS = [
  { title: "Agent", main: true, cell: (agent) => h("span", { class: "two" }, h("span", null, agent.slug), h("span", null, agent.name)) },
  { title: "Health", cell: health },
  { title: "Can do", cell: abilities },
  { title: "Where", cell: (agent) => (agent.bridge_agent ? `on the bridge as ${agent.bridge_agent}` : id(agent.base_url, 34, 6)) },
  { title: "Category", cell: (agent) => agent.category || NONE },
  { title: "Paid on", cell: (agent) => Object.keys(agent.pay_to ?? {}).map(network).join(", ") || NONE },
  { title: "Registered", cell: (agent) => h("time", { datetime: agent.created_at, title: moment(agent.created_at) }, ago(agent.created_at)) },
];
