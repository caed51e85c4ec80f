// Amounts, times and names as people read them. Money is whole atomic units (a millionth of a dollar) as text, and is
// never a floating-point number.

const GROUPED = new Intl.NumberFormat("en-US");
const TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
const HOUR = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

/** Atomic USDC as dollars: two digits, or as many as it takes. */
export function usd(atomic) {
  if (atomic === null || atomic === undefined) return "unknown";
  const value = BigInt(atomic);
  const sign = value < 0n ? "−" : "";
  const size = value < 0n ? -value : value;
  const fraction = (size % 1_000_000n).toString().padStart(6, "0");
  const shown = fraction.slice(0, 2) + fraction.slice(2).replace(/0+$/, "");
  return `${sign}$${GROUPED.format(size / 1_000_000n)}.${shown}`;
}

/** Dollars for the axis of a picture, where a cent more or less does not show. */
export function usdShort(atomic) {
  const value = BigInt(atomic);
  const whole = value / 1_000_000n;
  if (whole >= 10_000n) return `$${GROUPED.format(whole / 1_000n)}k`;
  if (whole >= 100n) return `$${GROUPED.format(whole)}`;
  return usd(value);
}

/** Some smallest units of a coin as whole coins, at most six digits behind the point. */
export function coins(smallest, decimals) {
  const text = BigInt(smallest).toString().padStart(decimals + 1, "0");
  const fraction = text.slice(-decimals).slice(0, 6).replace(/0+$/, "");
  const whole = GROUPED.format(BigInt(text.slice(0, -decimals)));
  return fraction ? `${whole}.${fraction}` : whole;
}

export const count = (number) => GROUPED.format(number);

/** "1 stream", "2 streams". */
export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

export const UNITS = { stream: "streams", second: "seconds", message: "messages", kib: "KiB" };

/** A long identifier by its ends. */
export function short(text, start = 8, end = 4) {
  return text.length <= start + end + 1 ? text : `${text.slice(0, start)}…${text.slice(-end)}`;
}

export const moment = (time) => TIME.format(new Date(time));
export const day = (secs) => DAY.format(new Date(secs * 1000));
export const hour = (secs) => HOUR.format(new Date(secs * 1000));

/** How long ago a time was, in one word or two. */
export function ago(time, now = Date.now()) {
  const secs = Math.max(0, Math.round((now - new Date(time).getTime()) / 1000));
  if (secs < 5) return "now";
  if (secs < 60) return `${secs} s ago`;
  if (secs < 3600) return `${Math.round(secs / 60)} min ago`;
  if (secs < 172_800) return `${Math.round(secs / 3600)} h ago`;
  return `${Math.round(secs / 86_400)} days ago`;
}

/** Seconds as a setting writes them: 86400 is 24h. */
export function duration(secs) {
  for (const [size, unit] of [[86_400, "d"], [3600, "h"], [60, "m"]]) {
    if (secs >= size && secs % size === 0) return `${secs / size}${unit}`;
  }
  return `${secs}s`;
}

/** Milliseconds or seconds, whichever is readable. */
export function latency(secs) {
  if (secs < 1) return `${Math.round(secs * 1000)} ms`;
  return `${Number(secs.toPrecision(2))} s`;
}

/** The same with seconds, for a picture of minutes. */
export const clock = (secs) => CLOCK.format(new Date(secs * 1000));

const NETWORKS = {
  "eip155:8453": "Base",
  "eip155:84532": "Base Sepolia",
  "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp": "Solana",
  "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1": "Solana devnet",
};

/** A network's name. */
export const network = (id) => NETWORKS[id] ?? id;
