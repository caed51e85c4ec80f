// Elements are made here and nowhere else. Text is always a text node: what comes from the API is somebody's input.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element. `props` are attributes; `true` writes an empty one, `false`, `null` and `undefined` none. `on…` members
 * are listeners. Children are nodes, text, or lists of them; what is empty is left out.
 */
export function h(name, props, ...children) {
  return fill(document.createElement(name), props, children);
}

/** The same in a picture. */
export function svg(name, props, ...children) {
  return fill(document.createElementNS(SVG, name), props, children);
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2).toLowerCase(), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  add(element, children);
  return element;
}

function add(element, children) {
  for (const child of children) {
    if (Array.isArray(child)) add(element, child);
    else if (child instanceof Node) element.append(child);
    else if (child !== null && child !== undefined && child !== false) element.append(String(child));
  }
}

/** Listens for clicks on whatever has `data-do`, now or later: `actions[do](dataset, element)`. */
export function actions(root, handlers) {
  root.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target.closest("[data-do]") : null;
    const handler = target && root.contains(target) ? handlers[target.dataset.do] : null;
    if (handler) handler(target.dataset, target);
  });
}
