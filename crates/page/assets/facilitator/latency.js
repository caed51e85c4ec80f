// How long settlements took, from their record to their outcome.

import { bars } from "./chart.js";
import { count, latency, plural } from "./format.js";
import { histograms, quantile } from "./metrics.js";
import { card, empty } from "./parts.js";

const NOTE = "How many took up to so many seconds; of this node, since its start.";

const METRIC = "tollwire_settlement_seconds";

/** The picture, from the text of `/metrics`. */
export function settlementLatency(text) {
  const title = "Settlement latency";
  const chains = [...histograms(text, METRIC, "chain")].filter(([, one]) => one.count > 0);
  if (chains.length === 0) {
    return card(title, { note: NOTE }, empty("No payment was settled yet", "This node has settled nothing since its start. The first payment shows here."));
  }
  const pictures = chains.map(([chain, one], place) => picture(chain, one, chains.length > 1, place));
  return card(title, { note: NOTE }, pictures);
}

function picture(chain, one, named, place) {
  const steps = one.bounds.map(([bound, below], at) => ({ bound, count: below - (one.bounds[at - 1]?.[1] ?? 0) }));
  const half = quantile(one, 0.5);
  const most = quantile(one, 0.95);
  const within = (bound) => (bound === Infinity ? "more than a minute" : `${latency(bound)} or less`);
  const words = `${plural(one.count, "settlement")}${named ? ` on ${chain}` : ""}: half took ${within(half)}, 95 of 100 took ${within(most)}`;
  return bars({
    label: `${words}.`,
    bars: steps.map(({ bound, count: number }) => ({
      label: bound === Infinity ? "more" : String(bound),
      title: `${within(bound)}: ${count(number)}`,
      values: [number],
    })),
    tick: count,
    whole: true,
    entries: [{ tone: `s${(place % 4) + 1}`, text: words }],
    tone: `s${(place % 4) + 1}`,
  });
}
