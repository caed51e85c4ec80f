// Small parts that every view is made of.

import { h, svg } from "./dom.js";
import { short } from "./format.js";

const MARKS = {
  good: "M3.5 8.5 6.5 11.5 12.5 4.5",
  busy: "M8 8v.01",
  idle: "M4.5 8h7",
  warn: "M8 4.5v4M8 11v.5",
  bad: "M5 5l6 6M11 5l-6 6",
};

/** A status: a colour with a mark and a word, so that none of them is needed alone. */
export function badge(tone, text) {
  const mark = svg("svg", { class: "mark", viewBox: "0 0 16 16", "aria-hidden": "true" }, svg("path", { d: MARKS[tone] }));
  return h("span", { class: `badge ${tone}` }, mark, text);
}

/** A button that `actions` hears. */
export function button(text, doing, data = {}, props = {}) {
  const attributes = Object.fromEntries(Object.entries(data).map(([name, value]) => [`data-${name}`, value]));
  return h("button", { type: "button", class: "button", "data-do": doing, ...attributes, ...props }, text);
}

/** A long identifier, cut for the eye and whole for a copy and a screen reader. */
export function id(text, start, end) {
  if (!text) return h("span", { class: "quiet" }, "none");
  const cut = short(text, start, end);
  if (cut === text) return h("span", { class: "id" }, text);
  return h("button", { type: "button", class: "id copy", "data-copy": text, title: text, "aria-label": `${cut}, copy ${text}` }, cut);
}

/** One number that matters, with what it is and a remark. */
export function figure(label, value, remark, tone) {
  return h(
    "div",
    { class: `figure ${tone ?? ""}`, "data-key": label },
    h("dt", null, label),
    h("dd", null, h("strong", null, value), remark ? h("span", { class: "remark" }, remark) : null),
  );
}

/** A part of a view under a heading. */
export function card(title, { note, tools, key, wide } = {}, ...content) {
  const heading = h(
    "header",
    null,
    h("div", null, h("h2", null, title), note ? h("p", { class: "note" }, note) : null),
    tools ? h("div", { class: "tools" }, tools) : null,
  );
  return h("section", { class: `card${wide ? " wide" : ""}`, "data-key": key ?? title }, heading, ...content);
}

/** What stands where nothing is yet, and what to do about it. */
export function empty(title, advice, action) {
  return h("div", { class: "empty" }, h("p", { class: "empty-title" }, title), h("p", null, advice), action ?? null);
}

/** A message that is read out. */
export function notice(tone, text, action) {
  return h("div", { class: `notice ${tone}`, role: tone === "bad" ? "alert" : "status" }, h("p", null, text), action ?? null);
}

let toastTimer;

/** Says briefly what was done. */
export function say(text) {
  const place = document.getElementById("toast");
  if (!place) return;
  place.textContent = text;
  place.classList.add("shown");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => {
    place.classList.remove("shown");
    place.textContent = "";
  }, 6000);
}

/** Copies identifiers that are clicked. */
export function copying(root) {
  root.addEventListener("click", async (event) => {
    const target = event.target instanceof Element ? event.target.closest("[data-copy]") : null;
    if (!target) return;
    try {
      await navigator.clipboard.writeText(target.dataset.copy);
      say("Copied.");
    } catch {
      say(target.dataset.copy);
    }
  });
}
