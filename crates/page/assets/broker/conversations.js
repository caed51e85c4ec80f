// Conversations: which app talks to which agent, and how much. Never what they say.

import { ApiError, get } from "./api.js";
import { h } from "./dom.js";
import { ago, count, moment } from "./format.js";
import { card, empty, id } from "./parts.js";
import { table } from "./table.js";

/** Rows that are shown. */
const SHOWN = 200;

export const conversations = {
  name: "conversations",
  title: "Conversations",
  lead: "Threads between apps and agents. What is said in them passes through and is not kept.",
  every: 5000,

  async load() {
    try {
      return (await get("admin/sessions")).sessions;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return [];
      throw error;
    }
  },

  draw(_, all) {
    if (all.length === 0) return card("Conversations", {}, empty("Nobody talks yet", "A conversation appears here with the first event that an app sends to an agent."));
    const newest = all.toSorted((a, b) => b.last_at - a.last_at).slice(0, SHOWN);
    const note = all.length > SHOWN ? `The last ${SHOWN} of ${count(all.length)}` : "";
    return card("Conversations", { note, wide: true }, table("Conversations", COLUMNS, newest, (one) => `${one.app_id} ${one.agent_id} ${one.thread_id}`));
  },
};

const time = (at) => h("time", { datetime: new Date(at).toISOString(), title: moment(at) }, ago(at));

const COLUMNS = [
  { title: "App", main: true, cell: (one) => one.app_id },
  { title: "Agent", cell: (one) => one.agent_id },
  { title: "Thread", cell: (one) => id(one.thread_id, 16, 6) },
  { title: "Events", number: true, cell: (one) => count(one.events) },
  { title: "First", cell: (one) => time(one.first_at) },
  { title: "Last", cell: (one) => time(one.last_at) },
];
