// APIs: what agents may call through this broker, and for how much.

import { get, patch, post, remove } from "./api.js";
import { confirm } from "./confirm.js";
import { open } from "./dialog.js";
import { actions, h } from "./dom.js";
import { form } from "./form.js";
import { network } from "./format.js";
import { badge, button, card, empty, id, say } from "./parts.js";
import { NONE, table } from "./table.js";

export const apis = {
  name: "apis",
  title: "APIs",
  lead: "What agents call through this broker. An API without a price of yours prices itself.",
  every: 5000,
  load: () => get("admin/apis"),

  start(root, view) {
    const again = () => view.refresh();
    actions(root, {
      add: async () => (await edit(null)) !== null && again(),
      edit: async ({ api }) => (await edit(view.data.apis.find((one) => one.id === api))) !== null && again(),
      remove: async ({ api }) => (await forget(api)) !== null && again(),
    });
  },

  draw(_, { apis: all }) {
    const add = button("Add an API", "add", {}, { class: "button primary" });
    if (all.length === 0) return card("APIs", { wide: true }, empty("No API is registered", "Add the first one here, or write an [[api]] into the configuration if it needs keys of yours.", add));
    return card("APIs", { tools: add, wide: true }, table("APIs", COLUMNS, all, (api) => api.id));
  },
};

const path = (api) => `admin/apis/${encodeURIComponent(api)}`;

function edit(api) {
  const fields = [
    ...(api ? [] : [{ name: "id", label: "Name", required: true, example: "weather", hint: "1 to 64 of a to z, 0 to 9, - _ and . It stands in envelopes and URLs." }]),
    { name: "base_url", label: "Address", required: true, inputmode: "url", value: api?.base_url, example: "https://api.example.com/v1", hint: "A call's path is appended to it." },
    { name: "price", label: "Dollars per call", inputmode: "decimal", value: api?.price?.replace("$", "") ?? "", hint: "Left empty, the API's own 402 reaches the agent." },
    { name: "allow_private", label: "It may be at a private address", kind: "check", value: api?.allow_private ?? false },
  ];
  return open(api ? `Edit ${api.id}` : "Add an API", (close) => {
    const send = async ({ price, ...rest }) => {
      const body = { ...rest, ...(price ? { price } : {}) };
      const said = api ? await patch(path(api.id), body) : await post("admin/apis", body);
      say(`${said.id} is ${api ? "changed" : "registered"}.`);
      close(said);
    };
    return form(fields, { word: api ? "Save" : "Add it", send, cancel: () => close(), prefix: "api" });
  });
}

function forget(api) {
  return confirm(`Remove ${api}?`, "Agents cannot call it any more; calls under way go on as they began.", "Remove", async () => {
    await remove(path(api));
    say(`${api} is removed.`);
  });
}

const COLUMNS = [
  { title: "API", main: true, cell: (api) => h("span", { class: "two" }, h("span", null, api.id), id(api.base_url, 40, 8)) },
  { title: "Price", number: true, cell: (api) => (api.price ? h("span", { class: "two" }, h("span", null, api.price), h("span", null, "per call")) : h("span", { class: "quiet" }, "its own")) },
  { title: "Paid on", cell: (api) => Object.keys(api.pay_to).map(network).join(", ") || NONE },
  { title: "Address", cell: (api) => (api.allow_private ? badge("warn", "Private allowed") : badge("good", "Public")) },
  { title: "Headers of ours", cell: (api) => api.headers.join(", ") || h("span", { class: "quiet" }, "none") },
  {
    title: "",
    cell: (api) =>
      api.origin === "configuration"
        ? h("span", { class: "quiet" }, "from the configuration")
        : [
            button("Edit", "edit", { api: api.id }, { class: "button small", "aria-label": `Edit ${api.id}` }),
            button("Remove", "remove", { api: api.id }, { class: "button small red", "aria-label": `Remove ${api.id}` }),
          ],
  },
];
