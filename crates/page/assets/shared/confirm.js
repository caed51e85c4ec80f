// Asking before anything that cannot be taken back.

import { ApiError } from "./api.js";
import { open } from "./dialog.js";
import { h } from "./dom.js";
import { notice } from "./parts.js";

/**
 * Asks, then does it, and shows what went wrong in the same place. `text` is what will happen; `word` names the act.
 * Answers what `act` came to, `null` if nothing was done.
 */
export function confirm(title, text, word, act, { danger = true } = {}) {
  return open(title, (close) => {
    const trouble = h("div", { class: "trouble" });
    const go = h("button", { type: "submit", class: `button ${danger ? "danger" : "primary"}` }, word);
    const back = h("button", { type: "button", class: "button", onclick: () => close() }, "Cancel");
    const lines = [text].flat().map((line) => (line instanceof Node ? line : h("p", null, line)));
    const run = async (event) => {
      event.preventDefault();
      go.disabled = true;
      trouble.replaceChildren();
      try {
        close((await act()) ?? true);
      } catch (error) {
        const message = error instanceof ApiError ? error.message : "Something went wrong on this page.";
        trouble.replaceChildren(notice("bad", message));
        go.disabled = false;
      }
    };
    return h("form", { onsubmit: run }, h("div", { class: "body" }, lines, trouble), h("footer", null, back, go));
  });
}
