// Dialogs: the browser's own, which keeps focus inside and gives it back.

import { h } from "./dom.js";

let last = 0;

/** Opens a dialog; `content(close)` gives what is in it. Answers what it was closed with, `null` if it was dismissed. */
export function open(title, content, { wide = false } = {}) {
  return new Promise((resolve) => {
    const name = `dialog-${(last += 1)}`;
    const dialog = h("dialog", { class: wide ? "wide" : "", "aria-labelledby": name });
    let result = null;
    const close = (value = null) => {
      result = value;
      dialog.close();
      // At once, not when the browser gets to tell of it: a token may stand in it.
      dialog.remove();
    };
    const dismiss = h("button", { type: "button", class: "dismiss", "aria-label": "Close this dialog", onclick: () => close() }, "×");
    dialog.append(h("header", null, h("h2", { id: name }, title), dismiss), content(close));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(result);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
