// One view at a time, named by the part of the address behind `#`, asked again while it is looked at.

import { ApiError } from "./api.js";
import { h } from "./dom.js";
import { show } from "./morph.js";
import { notice } from "./parts.js";

/**
 * A view: `{name, title, every, load(state), draw(state, data), start?(root, view), lead?}`. `load` asks the API, `draw`
 * gives nodes. `start` is called once for each time that it is opened, to listen for actions.
 */
export class Views {
  constructor(views, place, opened) {
    this.views = new Map(views.map((view) => [view.name, view]));
    this.place = place;
    this.opened = opened;
    this.turn = 0;
    this.changed = () => this.open();
    this.seen = () => document.hidden || this.refresh();
  }

  start() {
    addEventListener("hashchange", this.changed);
    document.addEventListener("visibilitychange", this.seen);
    this.open();
  }

  stop() {
    removeEventListener("hashchange", this.changed);
    document.removeEventListener("visibilitychange", this.seen);
    clearTimeout(this.timer);
    this.turn += 1;
  }

  open() {
    const [name, rest] = location.hash.slice(1).split("/", 2);
    this.view = this.views.get(name) ?? this.views.values().next().value;
    this.state = { rest: rest ?? null, ...(this.view.state?.() ?? {}) };
    const content = h("div", { class: "content" }, h("p", { class: "loading", role: "status" }, "Loading…"));
    const trouble = h("div", { class: "trouble" });
    const title = h("h1", { tabindex: "-1" }, this.view.title);
    this.parts = { content, trouble };
    this.place.replaceChildren(h("div", { class: "view-head" }, title, this.view.lead ? h("p", { class: "lead" }, this.view.lead) : null), trouble, content);
    document.title = `${this.view.title} · ${document.title.split(" · ").pop()}`;
    this.opened(this.view, title);
    this.view.start?.(content, this);
    this.refresh();
  }

  /** Asks and draws now; the answer of an older view or question is dropped. */
  async refresh() {
    clearTimeout(this.timer);
    const turn = (this.turn += 1);
    const { view, state, parts } = this;
    try {
      const data = await view.load(state);
      if (turn !== this.turn) return;
      this.data = data;
      this.draw();
      show(parts.trouble, []);
    } catch (error) {
      if (turn !== this.turn) return;
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 401) return;
      show(parts.trouble, notice("bad", `${error.message} What is shown may be old; this page keeps asking.`));
    }
    if (view.every && !document.hidden) this.timer = setTimeout(() => this.refresh(), view.every);
  }

  /** Draws again what was answered last. */
  draw() {
    show(this.parts.content, this.view.draw(this.state, this.data));
  }
}
