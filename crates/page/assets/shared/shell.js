// What surrounds the views: the way in, the navigation, the way out.

import { ApiError, isSignedIn, onSignedOut, signOut } from "./api.js";
import { h } from "./dom.js";
import { copying, say } from "./parts.js";
import { askForToken } from "./sign_in.js";
import { Views } from "./view.js";

/** Signs out whoever left the page alone for so long, in milliseconds. */
const IDLE = 30 * 60_000;

/** Starts a page of these views. `probe` is a path that wants the token. */
export function start(product, probe, views) {
  const root = document.getElementById("app");
  let running = null;
  const enter = () => {
    running = shell(root, product, views);
    running.start();
  };
  const leave = () => {
    running?.stop();
    running = null;
    for (const dialog of document.querySelectorAll("dialog")) dialog.close();
    askForToken(root, product, probe, enter);
  };
  onSignedOut(leave);
  copying(document.body);
  addEventListener("unhandledrejection", refused);
  idle(() => running && signOut());
  if (isSignedIn()) enter();
  else leave();
}

function shell(root, product, views) {
  const links = views.map((view) => h("a", { href: `#${view.name}` }, view.title));
  const place = h("main", { id: "view", tabindex: "-1" });
  let first = true;
  const opened = (view, title) => {
    for (const [at, link] of links.entries()) {
      if (views[at] === view) {
        link.setAttribute("aria-current", "page");
        // On a phone the navigation scrolls sideways.
        link.scrollIntoView({ inline: "center", block: "nearest" });
      } else link.removeAttribute("aria-current");
    }
    if (!first) title.focus({ preventScroll: true });
    if (!first) scrollTo(0, 0);
    first = false;
  };
  const out = h("button", { type: "button", class: "button plain", onclick: signOut }, "Sign out");
  root.replaceChildren(
    h("a", { class: "skip", href: "#view", onclick: skip }, "Skip to content"),
    h(
      "div",
      { class: "frame" },
      h(
        "header",
        { class: "rail" },
        h("p", { class: "brand" }, h("img", { src: "page/icon.svg", alt: "", width: 24, height: 24 }), h("span", null, "Tollwire", h("small", null, product))),
        h("nav", { "aria-label": "Views" }, links),
        out,
      ),
      place,
    ),
    h("div", { id: "toast", role: "status", "aria-live": "polite" }),
  );
  return new Views(views, place, opened);
}

/** What an action was refused with, if it has no place of its own to show it. */
function refused(event) {
  if (!(event.reason instanceof ApiError)) return;
  event.preventDefault();
  say(event.reason.message);
}

function skip(event) {
  event.preventDefault();
  document.getElementById("view").focus();
}

function idle(leave) {
  let timer = setTimeout(leave, IDLE);
  const again = () => {
    clearTimeout(timer);
    timer = setTimeout(leave, IDLE);
  };
  for (const sign of ["pointerdown", "keydown"]) addEventListener(sign, again, { passive: true });
}
