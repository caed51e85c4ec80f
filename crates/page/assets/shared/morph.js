// Brings what is shown to what should be shown, changing only what differs: focus, selection and scroll stay where they
// are while numbers move. Nodes are told apart by `data-key`, where they have one.

/** Makes the children of `element` what `fresh` (a node or a list of them) says. */
export function show(element, fresh) {
  const wanted = document.createDocumentFragment();
  wanted.append(...[fresh].flat(Infinity).filter((node) => node instanceof Node));
  children(element, wanted);
}

function children(element, wanted) {
  const keyed = new Map();
  for (const child of element.children) {
    if (child.dataset?.key !== undefined) keyed.set(child.dataset.key, child);
  }
  let at = element.firstChild;
  for (const next of [...wanted.childNodes]) {
    const match = counterpart(at, next, keyed);
    if (!match) {
      element.insertBefore(next, at);
      continue;
    }
    if (match === at) at = at.nextSibling;
    else element.insertBefore(match, at);
    node(match, next);
  }
  while (at) {
    const stale = at;
    at = at.nextSibling;
    stale.remove();
  }
}

function counterpart(at, next, keyed) {
  const key = next.dataset?.key;
  if (key !== undefined) {
    const known = keyed.get(key);
    return known && known.nodeName === next.nodeName ? known : null;
  }
  const same = at && at.nodeType === next.nodeType && at.nodeName === next.nodeName;
  return same && at.dataset?.key === undefined ? at : null;
}

function node(old, next) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== next.nodeValue) old.nodeValue = next.nodeValue;
    return;
  }
  for (const { name, value } of [...next.attributes]) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    // What a person opened stays open.
    if (!next.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  children(old, next);
}
