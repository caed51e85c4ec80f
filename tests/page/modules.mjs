// The page's modules that need no browser, asked directly.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

// Whatever a file is called: it is a module.
const read = (name) => readFileSync(`${process.env.ASSETS}/${name}`, "utf8");
const load = (name) => import(`data:text/javascript,${encodeURIComponent(read(name))}`);
const { lines } = await load("csv.js");
const format = await load("format.js");
const { histograms, quantile, samples } = await load("metrics.js");

// A spreadsheet must not take what others wrote for a formula; numbers stay numbers.
assert.equal(lines([["=1+1", "+x", "-x", "@x", "\tx", "\rx"]]), `'=1+1,'+x,'-x,'@x,'\tx,"'\rx"\r\n`);
assert.equal(lines([[-5, "-5", "-1.5", 0, null, undefined, true]]), "-5,-5,-1.5,0,,,true\r\n");
assert.equal(lines([['a,b', 'say "x"', "two\nlines"]]), '"a,b","say ""x""","two\nlines"\r\n');

// Money is whole atomic units, however many.
assert.equal(format.usd("0"), "$0.00");
assert.equal(format.usd("1"), "$0.000001");
assert.equal(format.usd("10000"), "$0.01");
assert.equal(format.usd("1234567890123456789"), "$1,234,567,890,123.456789");
assert.equal(format.usd("-1500000"), "−$1.50");
assert.equal(format.usd(null), "unknown");
assert.equal(format.coins("1230000000000000000", 18), "1.23");
assert.equal(format.coins("5", 9), "0");
assert.equal(format.coins("50000000", 9), "0.05");
assert.equal(format.short("0x70997970C51812dc3A010C7d01b50e0d17dc79C8", 6, 4), "0x7099…79C8");
assert.equal(format.duration(86400), "1d");
assert.equal(format.ago(1_000, 61_000), "1 min ago");

const text = [
  "# TYPE tollwire_settlement_seconds histogram",
  'tollwire_settlement_seconds_bucket{chain="base",le="1"} 3',
  'tollwire_settlement_seconds_bucket{chain="base",le="2"} 9',
  'tollwire_settlement_seconds_bucket{chain="base",le="+Inf"} 10',
  'tollwire_settlement_seconds_sum{chain="base"} 14.5',
  'tollwire_settlement_seconds_count{chain="base"} 10',
  'other{a="x\\"y",b="2"} 1',
].join("\n");
const base = histograms(text, "tollwire_settlement_seconds", "chain").get("base");
assert.deepEqual(base, { bounds: [[1, 3], [2, 9], [Infinity, 10]], count: 10, sum: 14.5 });
assert.deepEqual([quantile(base, 0.5), quantile(base, 0.95)], [2, Infinity]);
assert.deepEqual(samples(text, ["other"])[0].labels, { a: 'x\\"y', b: "2" });
console.log(JSON.stringify({ done: true }));
