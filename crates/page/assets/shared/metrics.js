// Prometheus text, read for the pictures.

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/** All samples of these names: `{name, labels, value}`. */
export function samples(text, names) {
  const found = [];
  for (const line of text.split("\n")) {
    const match = line.startsWith("#") ? null : LINE.exec(line);
    if (!match || !names.includes(match[1])) continue;
    const labels = Object.fromEntries([...(match[2] ?? "").matchAll(LABEL)].map(([, name, value]) => [name, value]));
    found.push({ name: match[1], labels, value: match[3] === "+Inf" ? Infinity : Number(match[3]) });
  }
  return found;
}

/** A histogram's buckets by one of its labels: `Map(label -> {bounds: [[upTo, count]…], count, sum})`. */
export function histograms(text, name, label) {
  const all = new Map();
  for (const sample of samples(text, [`${name}_bucket`, `${name}_sum`, `${name}_count`])) {
    const key = sample.labels[label] ?? "";
    const one = all.get(key) ?? { bounds: [], count: 0, sum: 0 };
    all.set(key, one);
    if (sample.name.endsWith("_sum")) one.sum += sample.value;
    else if (sample.name.endsWith("_count")) one.count += sample.value;
    else one.bounds.push([sample.labels.le === "+Inf" ? Infinity : Number(sample.labels.le), sample.value]);
  }
  for (const one of all.values()) {
    one.bounds.sort((a, b) => a[0] - b[0]);
  }
  return all;
}

/** Below which bound a share of a histogram's events lies. */
export function quantile({ bounds, count }, share) {
  const bound = bounds.find(([, below]) => below >= count * share);
  return bound ? bound[0] : Infinity;
}
