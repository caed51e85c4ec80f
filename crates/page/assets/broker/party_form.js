// Registering and changing an app or an agent; a token, shown once.

import { ApiError, patch, post } from "./api.js";
import { open } from "./dialog.js";
import { h } from "./dom.js";
import { form } from "./form.js";
import { say } from "./parts.js";

const OFFLINE = [["queue", "wait for it"], ["reject", "are refused"]];

function fields(what, party, { apps }) {
  const id = party
    ? []
    : [{ name: "id", label: "Name", required: true, example: what.one === "app" ? "portal" : "athena", hint: "1 to 64 of a to z, 0 to 9 and -. It stands in its token, and cannot be changed." }];
  const org = { name: "org", label: "Organisation", value: party?.org, hint: "An app sees the agents of its own.", half: true };
  if (what.one === "app") {
    return [
      ...id,
      org,
      { name: "events_per_minute", label: "Events a minute", inputmode: "numeric", value: party?.events_per_minute ?? "", half: true },
      { name: "echo_payload", label: "Answers carry the payload that they answer", kind: "check", value: party?.echo_payload ?? true },
      { name: "typing", label: "It is told that an agent is typing", kind: "check", value: party?.typing ?? false },
    ];
  }
  const known = apps.length > 0 ? `Registered: ${apps.map((app) => app.id).join(", ")}.` : "No app is registered yet.";
  return [
    ...id,
    { name: "name", label: "Shown as", value: party?.name === party?.id ? "" : party?.name, half: true },
    org,
    { name: "description", label: "Description", value: party?.description },
    { name: "allow", label: "Apps that may send to it", value: party?.allow.join(", "), example: "portal, desk", hint: `Separated by commas; left empty, all of its organisation. ${known}` },
    { name: "offline", label: "While it is away, events", kind: "choice", options: OFFLINE, value: party?.offline ?? "queue", required: true },
  ];
}

/** Asks for an app or an agent, and registers or changes it; a new one's token is shown. */
export function editParty(what, party, data) {
  return open(party ? `Edit ${party.id}` : `Add an ${what.one}`, (close) => {
    const send = async (values) => {
      const said = party ? await patch(`admin/${what.kind}/${encodeURIComponent(party.id)}`, body(values)) : await post(`admin/${what.kind}`, body(values));
      close(said);
      if (party) say(`${party.id} is changed.`);
      else await showToken(said.id, said.token);
    };
    return form(fields(what, party, data), { word: party ? "Save" : "Add it", send, cancel: () => close(), prefix: "party" });
  });
}

function body({ allow, events_per_minute: rate, ...rest }) {
  const given = Object.fromEntries(Object.entries(rest).filter(([name, value]) => value !== "" || name === "description" || name === "org"));
  if (allow !== undefined) given.allow = allow.split(/[\s,]+/).filter(Boolean);
  if (rate) {
    if (!/^\d{1,9}$/.test(rate)) throw new ApiError(400, "bad-request", "events_per_minute: Write a whole number.");
    given.events_per_minute = Number(rate);
  }
  return given;
}

/** Shows a token, which nobody can read again. It is in this dialog alone, and gone with it. */
export function showToken(id, token) {
  return open(`Token of ${id}`, (close) => {
    const copy = async () => {
      try {
        await navigator.clipboard.writeText(token);
        say("Copied.");
      } catch {
        say("Copying is not allowed here: mark the token and copy it by hand.");
      }
    };
    return h(
      "form",
      {
        onsubmit: (event) => {
          event.preventDefault();
          close(true);
        },
      },
      h("div", { class: "body" }, h("p", null, "This is the only time that it is shown. Put it where only its owner reads it."), h("p", { class: "secret", tabindex: "0" }, token)),
      h("footer", null, h("button", { type: "button", class: "button", onclick: copy }, "Copy"), h("button", { type: "submit", class: "button primary" }, "I have kept it")),
    );
  });
}
