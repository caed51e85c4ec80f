// Pictures, as SVG made here: lines, bars, and distributions. Each says in words what it shows.

import { h, svg } from "./dom.js";

const HEIGHT = 200;
const EDGE = { left: 50, right: 8, top: 10, bottom: 24 };

/** The width to draw in: text must not shrink or grow with the picture. */
const width = (wide) => (isNarrow() ? 330 : wide ? 960 : 470);

/** Whether there is room for a phone's picture alone. */
export const isNarrow = () => matchMedia("(max-width: 48rem)").matches;

/** A round number at least as large, for the top of an axis. */
function top(value) {
  if (!(value > 0)) return 1;
  const size = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((step) => step * size).find((round) => round >= value * 1.0001) ?? value;
}

/** The same for counts, which have no halves: half of it is whole as well. */
function wholeTop(value) {
  const round = top(value);
  return Number.isInteger(round / 2) ? round : 2 * Math.ceil(Math.max(1, value) / 2);
}

function frame(label, highest, tick, wide, parts) {
  const y = (value) => HEIGHT - EDGE.bottom - (value / highest) * (HEIGHT - EDGE.top - EDGE.bottom);
  const rules = [0, 0.5, 1].map((share) => {
    const at = y(share * highest);
    return [
      svg("line", { class: share === 0 ? "base" : "grid", x1: EDGE.left, x2: wide - EDGE.right, y1: at, y2: at }),
      svg("text", { x: EDGE.left - 7, y: at + 4, "text-anchor": "end" }, tick(share * highest)),
    ];
  });
  return svg("svg", { viewBox: `0 0 ${wide} ${HEIGHT}`, role: "img", "aria-label": label }, rules, parts(y, wide));
}

function legend(entries) {
  const swatch = (entry) =>
    svg("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" }, svg("rect", { class: `bar ${entry.tone}`, width: 10, height: 10, rx: 2 }));
  return h("p", { class: "legend" }, entries.map((entry) => h("span", null, swatch(entry), entry.text)));
}

/**
 * Values over time. `series` are `{name, tone, points: [[time, value]…]}` in the order of time; the picture reaches from
 * `from` to `until`.
 */
export function lines({ label, series, from, until, tick, time, entries }) {
  const highest = top(Math.max(0, ...series.flatMap((one) => one.points.map(([, value]) => value))));
  const draw = (y, wide) => {
    const x = (at) => EDGE.left + ((at - from) / (until - from)) * (wide - EDGE.left - EDGE.right);
    const labels = [from, (from + until) / 2, until].map((at, place) =>
      svg("text", { x: x(at), y: HEIGHT - 6, "text-anchor": ["start", "middle", "end"][place] }, time(at)),
    );
    const curves = series.filter((one) => one.points.length > 1).map((one) => {
      const path = one.points.map(([at, value]) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
      const [first, last] = [one.points[0][0], one.points.at(-1)[0]];
      const area = `${x(first).toFixed(1)},${y(0)} ${path} ${x(last).toFixed(1)},${y(0)}`;
      return [svg("polygon", { class: `area ${one.tone}`, points: area }), svg("polyline", { class: `line ${one.tone}`, points: path })];
    });
    return [labels, curves];
  };
  return h("div", { class: "picture" }, frame(label, highest, tick, width(false), draw), legend(entries));
}

/**
 * Bars side by side. `bars` are `{label, title, values: [behind, before]}`; `label` may be empty, so that not every bar has
 * one. `entries` is the legend; `wide` is for a picture as wide as the page, `whole` for counts.
 */
export function bars({ label, bars: all, tick, entries, tone = "s1", wide: across = false, whole = false }) {
  const highest = (whole ? wholeTop : top)(Math.max(0, ...all.flatMap((bar) => bar.values)));
  const draw = (y, wide) => {
    const step = (wide - EDGE.left - EDGE.right) / all.length;
    const thick = Math.max(2, Math.min(34, step * 0.72));
    return all.map((bar, place) => {
      const left = EDGE.left + place * step;
      const column = (value, kind) =>
        value > 0 &&
        svg("rect", { class: `bar ${kind}`, x: (left + (step - thick) / 2).toFixed(1), y: y(value).toFixed(1), width: thick.toFixed(1), height: Math.max(1, y(0) - y(value)).toFixed(1), rx: Math.min(2, thick / 3) });
      const [behind, before] = bar.values;
      return svg(
        "g",
        null,
        before === undefined ? column(behind, tone) : [column(behind, `${tone} faint`), column(before, tone)],
        bar.label && svg("text", place === all.length - 1 && across ? { x: left + step, y: HEIGHT - 6, "text-anchor": "end" } : { x: left + step / 2, y: HEIGHT - 6, "text-anchor": "middle" }, bar.label),
        svg("rect", { class: "bar-hit", x: left, y: EDGE.top, width: step, height: HEIGHT - EDGE.top - EDGE.bottom }, svg("title", null, bar.title)),
      );
    });
  };
  return h("div", { class: "picture" }, frame(label, highest, tick, width(across), draw), entries ? legend(entries) : null);
}
