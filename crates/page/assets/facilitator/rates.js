// Units per second: what was used between two looks at the books.

import { lines } from "./chart.js";
import { UNITS, clock } from "./format.js";
import { card, empty } from "./parts.js";

/** How much of the past is shown, in milliseconds. */
const WINDOW = 5 * 60_000;

/** What is shown at least, so that a page that was just opened shows something. */
const SHORTEST = 60_000;

/** Between the looks that a rate is taken from: streams tell what they used once a second, or more seldom. */
const SPAN = 6_000;

const TONES = { stream: "s3", second: "s2", message: "s1", kib: "s4" };
const KINDS = Object.keys(TONES);

let looks = [];

/** Remembers a look: what was used so far, by kind of unit. */
export function look({ at_millis: at, used }) {
  if (looks.at(-1)?.at === at) return;
  looks = looks.filter((old) => at - old.at <= WINDOW + SPAN);
  looks.push({ at, used });
}

function rates(kind) {
  const points = [];
  for (const [place, now] of looks.entries()) {
    const before = looks.slice(0, place).findLast((old) => now.at - old.at >= SPAN * 0.6);
    if (!before) continue;
    const units = (now.used[kind] ?? 0) - (before.used[kind] ?? 0);
    points.push([now.at, Math.max(0, (units * 1000) / (now.at - before.at))]);
  }
  return points;
}

const rate = (value) => (value >= 100 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(2))));

/** The picture. */
export function unitsPerSecond() {
  const used = KINDS.filter((kind) => looks.some((one) => (one.used[kind] ?? 0) > 0));
  const series = used.map((kind) => ({ name: UNITS[kind], tone: TONES[kind], points: rates(kind) }));
  const title = "Units per second";
  if (used.length === 0) {
    return card(title, { note: "Over the last five minutes, on all nodes." }, empty("Nothing was used yet", "As soon as an agent opens a stream, what it uses is drawn here."));
  }
  const until = looks.at(-1).at;
  const now = series.map((one) => ({ tone: one.tone, text: `${one.name}: ${rate(one.points.at(-1)?.[1] ?? 0)} per second` }));
  const picture = lines({
    label: `Units per second over the last five minutes. Now: ${now.map((one) => one.text).join("; ")}.`,
    series,
    from: Math.max(until - WINDOW, Math.min(looks[0].at, until - SHORTEST)),
    until,
    tick: rate,
    time: (at) => clock(at / 1000),
    entries: now,
  });
  return card(title, { note: "Over the last five minutes, on all nodes; measured while this page is open." }, picture);
}
