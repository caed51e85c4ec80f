// Forms: each field with its label, its hint, and its error beside it.

import { ApiError } from "./api.js";
import { h } from "./dom.js";
import { notice } from "./parts.js";

/**
 * A form. `fields` are `{name, label, hint, kind, value, options, required}`; `send(values)` does it and may throw an
 * `ApiError`, whose field is then marked. Values are texts, and truth values for `kind: "check"`.
 */
export function form(fields, { word, send, cancel, prefix = "field" }) {
  const general = h("div", { class: "trouble" });
  const made = new Map(fields.map((field) => [field.name, make(field, prefix)]));
  const go = h("button", { type: "submit", class: "button primary" }, word);
  const back = cancel ? h("button", { type: "button", class: "button", onclick: cancel }, "Cancel") : null;
  const submit = async (event) => {
    event.preventDefault();
    clear(made, general);
    const missing = fields.filter((field) => field.required && !made.get(field.name).input.value.trim());
    for (const field of missing) fail(made.get(field.name), "This is needed.");
    if (missing.length > 0) return made.get(missing[0].name).input.focus();
    go.disabled = true;
    try {
      await send(values(fields, made));
    } catch (error) {
      refused(error, made, general);
    }
    go.disabled = false;
    return undefined;
  };
  const rows = [...made.values()].map((one) => one.row);
  return h("form", { onsubmit: submit, novalidate: true }, h("div", { class: "body" }, rows, general), h("footer", null, back, go));
}

function make(field, prefix) {
  const id = `${prefix}-${field.name}`;
  const input = control(field, id);
  const error = h("p", { class: "error", id: `${id}-error` });
  const hint = field.hint ? h("p", { class: "hint", id: `${id}-hint` }, field.hint) : null;
  input.setAttribute("aria-describedby", [hint?.id, error.id].filter(Boolean).join(" "));
  const label = h("label", { for: id }, field.label, field.required ? null : h("span", { class: "optional" }, " optional"));
  const row =
    field.kind === "check"
      ? h("div", { class: "field check" }, input, h("label", { for: id }, field.label), hint, error)
      : h("div", { class: `field ${field.half ? "half" : ""}` }, label, input, hint, error);
  return { input, error, row };
}

function control(field, id) {
  const shared = { id, name: field.name, required: field.required, autocomplete: "off", spellcheck: "false" };
  if (field.kind === "choice") {
    const option = ([value, text]) => h("option", { value, selected: value === field.value }, text);
    return h("select", shared, field.options.map(option));
  }
  if (field.kind === "check") return h("input", { ...shared, type: "checkbox", checked: field.value });
  if (field.kind === "lines") return h("textarea", { ...shared, rows: 3 }, field.value ?? "");
  return h("input", { ...shared, type: field.kind ?? "text", inputmode: field.inputmode, value: field.value ?? "", placeholder: field.example });
}

function values(fields, made) {
  const value = ({ name, kind }) => (kind === "check" ? made.get(name).input.checked : made.get(name).input.value.trim());
  return Object.fromEntries(fields.map((field) => [field.name, value(field)]));
}

function clear(made, general) {
  general.replaceChildren();
  for (const { input, error } of made.values()) {
    input.removeAttribute("aria-invalid");
    error.textContent = "";
  }
}

function fail({ input, error }, text) {
  input.setAttribute("aria-invalid", "true");
  error.textContent = text;
}

function refused(error, made, general) {
  if (!(error instanceof ApiError)) throw error;
  const field = made.get(error.field);
  if (!field) return general.replaceChildren(notice("bad", error.message));
  fail(field, error.rule);
  return field.input.focus();
}
