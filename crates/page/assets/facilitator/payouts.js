// Paying providers now.

import { post, query } from "./api.js";
import { open } from "./dialog.js";
import { h } from "./dom.js";
import { form } from "./form.js";
import { network, plural, usd } from "./format.js";
import { notice } from "./parts.js";

/** Asks, makes a round, and shows what it came to. */
export function payoutRound() {
  return open("Run a payout", (close) => {
    const root = h("div", null);
    const fields = [
      {
        name: "threshold",
        label: "At least, in dollars",
        inputmode: "decimal",
        value: "",
        example: "as configured",
        hint: "Who is due less waits. Left empty, the configured threshold holds.",
      },
      { name: "sure", label: "Send the money now. A transfer on chain cannot be taken back.", kind: "check", required: false },
    ];
    const send = async ({ threshold, sure }) => {
      if (!sure) {
        const box = root.querySelector("[name=sure]");
        box.setAttribute("aria-invalid", "true");
        document.getElementById(`${box.id}-error`).textContent = "Tick this to go on.";
        box.focus();
        return;
      }
      const round = await post(query("admin/payouts", { threshold }));
      root.replaceChildren(h("div", { class: "body" }, outcome(round)), h("footer", null, h("button", { type: "button", class: "button primary", onclick: () => close(round) }, "Done")));
      root.querySelector("button").focus();
    };
    root.append(form(fields, { word: "Pay providers", send, cancel: () => close(), prefix: "payout" }));
    return root;
  });
}

function outcome({ sealed, gathering, short, failed }) {
  const lines = [];
  for (const one of sealed) lines.push(notice("good", `${usd(one.amount)} to ${one.to} on ${network(one.network)}: on its way.`));
  if (gathering.length > 0) lines.push(notice("warn", `${plural(gathering.length, "payout")} still being gathered: less than the threshold is there to be paid.`));
  for (const one of short) lines.push(notice("bad", `${network(one.network)}: the deposit wallet holds ${usd(one.custody)}, but ${usd(one.owed)} is owed. Nobody is paid there.`));
  for (const one of failed) lines.push(notice("bad", `${network(one.network)}: ${one.reason}`));
  if (lines.length === 0) lines.push(notice("good", "Nobody is due as much as that; no money was sent."));
  return lines;
}
