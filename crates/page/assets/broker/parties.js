// Apps and agents: who may connect, who may send to whom, what waits for them, and their tokens.

import { ApiError, get, post, remove } from "./api.js";
import { confirm } from "./confirm.js";
import { actions, h } from "./dom.js";
import { count, plural } from "./format.js";
import { badge, button, card, empty, say } from "./parts.js";
import { editParty, showToken } from "./party_form.js";
import { table } from "./table.js";

/** What differs between the two. */
const AGENTS = {
  kind: "agents",
  one: "agent",
  title: "Agents",
  lead: "Software that answers. An agent connects with its token; events for it wait while it is away.",
  queue: "Events waiting",
  advice: "Register the first one. Its token is shown once; put it into the agent's configuration.",
};
const APPS = {
  kind: "apps",
  one: "app",
  title: "Apps",
  lead: "Software that asks. An app connects with its token and sends events to the agents that let it.",
  queue: "Answers waiting",
  advice: "Register the first one. Its token is shown once; put it into the app's configuration.",
};

export const agents = view(AGENTS);
export const apps = view(APPS);

function view(what) {
  return {
    name: what.kind,
    title: what.title,
    lead: what.lead,
    every: 3000,
    load: () => load(what),

    start(root, shown) {
      const again = () => shown.refresh();
      const of = (id) => shown.data.parties.find((party) => party.id === id);
      actions(root, {
        add: async () => (await editParty(what, null, shown.data)) !== null && again(),
        edit: async ({ party }) => (await editParty(what, of(party), shown.data)) !== null && again(),
        rotate: async ({ party }) => (await rotate(what, party)) !== null && again(),
        revoke: async ({ party }) => (await revoke(what, party)) !== null && again(),
        remove: async ({ party }) => (await forget(what, party)) !== null && again(),
      });
    },

    draw(_, data) {
      if (data.parties === null) return empty("This broker has no bridge", "Apps and agents meet here once token_key is configured; see the configuration reference.");
      const add = button(`Add an ${what.one}`, "add", {}, { class: "button primary" });
      if (data.parties.length === 0) return card(what.title, { wide: true }, empty(`No ${what.one} is registered`, what.advice, add));
      return card(what.title, { tools: add, wide: true }, table(what.title, columns(what), data.parties, (party) => party.id));
    },
  };
}

async function load(what) {
  try {
    const [all, queues, others] = await Promise.all([get(`admin/${what.kind}`), get("admin/queues"), get("admin/apps")]);
    const parties = all[what.kind].map((party) => ({ ...party, queue: queues[what.kind][party.id] ?? { count: 0, bytes: 0 } }));
    return { parties, apps: others.apps };
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return { parties: null, apps: [] };
    throw error;
  }
}

const path = (what, id) => `admin/${what.kind}/${encodeURIComponent(id)}`;

function rotate(what, id) {
  const text = "The token in use stays good for a while (token_overlap), so that it can be exchanged without a pause.";
  return confirm(
    `Another token for ${id}?`,
    text,
    "Make a token",
    async () => {
      const { token } = await post(`${path(what, id)}/rotate`);
      await showToken(id, token);
    },
    { danger: false },
  );
}

function revoke(what, id) {
  const text = "None of its tokens is good any more, and its connections end within a second. It stays registered; another token lets it in again.";
  return confirm(`Revoke all tokens of ${id}?`, text, "Revoke", async () => {
    await post(`${path(what, id)}/revoke`);
    say(`The tokens of ${id} are revoked.`);
  });
}

function forget(what, id) {
  return confirm(`Remove ${id}?`, "It is forgotten with its tokens, and its connections end within a second. This cannot be undone.", "Remove", async () => {
    await remove(path(what, id));
    say(`${id} is removed.`);
  });
}

function columns(what) {
  const name = { title: what.title.slice(0, -1), main: true, cell: (party) => h("span", { class: "two" }, h("span", null, party.id), h("span", null, party.name && party.name !== party.id ? party.name : party.org ? `of ${party.org}` : "")) };
  const connected = {
    title: "Here now",
    cell: (party) => (party.connected > 0 ? badge("good", party.connected > 1 ? `${party.connected} connections` : "Connected") : badge("idle", "Away")),
  };
  const allow = {
    title: "Who may send to it",
    cell: (party) =>
      h(
        "span",
        { class: "two" },
        h("span", null, party.allow.length > 0 ? party.allow.join(", ") : party.org ? `every app of ${party.org}` : "every app of its organisation"),
        h("span", null, party.offline === "queue" ? "while it is away, events wait" : "while it is away, events are refused"),
      ),
  };
  const rate = { title: "Rate", cell: (party) => (party.events_per_minute ? `${count(party.events_per_minute)} a minute` : h("span", { class: "quiet" }, "as configured")) };
  const queue = { title: what.queue, number: true, cell: (party) => h("span", { class: "two" }, h("span", null, count(party.queue.count)), h("span", null, party.queue.count > 0 ? bytes(party.queue.bytes) : "")) };
  const tokens = { title: "Tokens", cell: (party) => (party.tokens.length > 0 ? plural(party.tokens.length, "token") : badge("bad", "None")) };
  return [name, connected, ...(what === AGENTS ? [allow] : [rate]), queue, tokens, { title: "", cell: (party) => acts(party) }];
}

/** On this node alone it is shown who is connected; what stands in the file is changed there. */
function acts(party) {
  if (party.in_file) return h("span", { class: "quiet" }, "from the configuration");
  const act = (text, doing, more = "") => button(text, doing, { party: party.id }, { class: `button small ${more}`, "aria-label": `${text}: ${party.id}` });
  return [act("Edit", "edit"), act("New token", "rotate"), act("Revoke", "revoke", "red"), act("Remove", "remove", "red")];
}

/** Bytes as people read them. */
function bytes(number) {
  if (number < 1024) return `${number} B`;
  return number < 1024 * 1024 ? `${Math.round(number / 1024)} KiB` : `${(number / 1024 / 1024).toFixed(1)} MiB`;
}
