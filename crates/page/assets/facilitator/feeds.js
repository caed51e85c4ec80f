// Feeds: what is for sale, at what price, and whether it is.

import { get, patch, remove } from "./api.js";
import { confirm } from "./confirm.js";
import { open } from "./dialog.js";
import { actions, h } from "./dom.js";
import { addFeed } from "./feed_form.js";
import { form } from "./form.js";
import { UNITS, count, network, usd } from "./format.js";
import { badge, button, card, empty, id, say } from "./parts.js";
import { table } from "./table.js";

export const feeds = {
  name: "feeds",
  title: "Feeds",
  lead: "What agents can buy. A feed of the configuration file has its changes here until the file is read again; one added here is kept.",
  every: 5000,

  async load() {
    const [list, books] = await Promise.all([get("admin/feeds"), get("admin/overview")]);
    return { feeds: list.feeds, sold: books.feeds };
  },

  start(root, view) {
    const again = () => view.refresh();
    const of = (feed) => view.data.feeds.find((one) => one.id === feed);
    actions(root, {
      add: async () => (await addFeed(view.data.feeds)) !== null && again(),
      price: async ({ feed }) => (await changePrice(of(feed))) !== null && again(),
      pause: async ({ feed }) => {
        if ((await pause(feed)) !== null) again();
      },
      resume: async ({ feed }) => {
        await patch(path(feed), { paused: false });
        say(`${feed} is for sale again.`);
        again();
      },
      remove: async ({ feed }) => (await removeFeed(feed)) !== null && again(),
    });
  },

  draw(_, { feeds: list, sold }) {
    const add = button("Add a feed", "add", {}, { class: "button primary" });
    if (list.length === 0) {
      return card("For sale", { wide: true }, empty("No feed is for sale", "A feed is one WebSocket endpoint of a provider, with a price per unit. Add the first one here, or write it into the configuration.", add));
    }
    const rows = list.map((feed) => ({ ...feed, sold: sold[feed.id] ?? null }));
    return card("For sale", { tools: add, wide: true }, table("Feeds", COLUMNS, rows, (feed) => feed.id));
  },
};

const path = (feed) => `admin/feeds/${encodeURIComponent(feed)}`;

function changePrice(feed) {
  return open(`Price of ${feed.id}`, (close) => {
    const fields = [
      {
        name: "price",
        label: `Dollars per ${feed.unit}`,
        inputmode: "decimal",
        value: feed.price_text.replace("$", ""),
        required: true,
        hint: "Whoever bought before keeps what was bought. Offers made until now stay payable for some minutes.",
      },
    ];
    const send = async ({ price }) => {
      await patch(path(feed.id), { price });
      say(`${feed.id} costs $${price} per ${feed.unit} now.`);
      close(true);
    };
    return form(fields, { word: "Change the price", send, cancel: () => close(), prefix: "price" });
  });
}

function pause(feed) {
  const text = ["Nothing of it is sold until it is resumed: agents that want to pay are told to come back, and are charged nothing.", "What was sold before is served."];
  return confirm(
    `Pause ${feed}?`,
    text,
    "Pause",
    async () => {
      await patch(path(feed), { paused: true });
      say(`${feed} is paused.`);
    },
    { danger: false },
  );
}

function removeFeed(feed) {
  const text = "It is not for sale any more, and no stream of it can be opened. Its sessions keep their balance; live streams go on. To stop selling alone, pause it.";
  return confirm(`Remove ${feed}?`, text, "Remove", async () => {
    await remove(path(feed));
    say(`${feed} is removed.`);
  });
}

const COLUMNS = [
  {
    title: "Feed",
    main: true,
    cell: (feed) => h("span", { class: "two" }, h("span", null, feed.id), h("span", null, feed.description || "No description")),
  },
  { title: "State", cell: (feed) => (feed.paused ? badge("warn", "Paused") : badge("good", "For sale")) },
  { title: "Price", number: true, cell: (feed) => h("span", { class: "two" }, h("span", null, usd(feed.price)), h("span", null, `per ${feed.unit}`)) },
  { title: "Live", number: true, cell: (feed) => count(feed.sold?.live.streams ?? 0) },
  {
    title: "Used",
    number: true,
    cell: (feed) => h("span", { class: "two" }, h("span", null, count(feed.sold?.captured ?? 0)), h("span", null, UNITS[feed.unit] ?? feed.unit)),
  },
  { title: "Earned", number: true, cell: (feed) => usd(feed.sold?.usdc.accrued ?? 0) },
  { title: "Upstream", cell: (feed) => h("span", { class: "two" }, id(feed.upstream, 26, 6), h("span", null, feed.networks.map(network).join(", "))) },
  {
    title: "",
    cell: (feed) => [
      button("Price", "price", { feed: feed.id }, { class: "button small", "aria-label": `Change the price of ${feed.id}` }),
      feed.paused
        ? button("Resume", "resume", { feed: feed.id }, { class: "button small", "aria-label": `Resume ${feed.id}` })
        : button("Pause", "pause", { feed: feed.id }, { class: "button small", "aria-label": `Pause ${feed.id}` }),
      button("Remove", "remove", { feed: feed.id }, { class: "button small red", "aria-label": `Remove ${feed.id}` }),
    ],
  },
];
