import { SetupError } from "./errors.js";
import { get } from "./fetch.js";
import { JWKS_BYTES_MAX, readKeys, type KeySet } from "./keys.js";

const FETCH_TIMEOUT_MS = 10_000;
const GAP_MIN_MS = 10_000;
const BACKOFF_MS = 1_000;

/** Keys as fetched, with their text, so that the same text again changes nothing. */
interface Fetched {
  keys: KeySet;
  text: string;
}

/** Where keys come from, and how fetches are spaced: all in milliseconds, no wait longer than `interval`. */
export class Source {
  private readonly gapMin: number;
  private readonly backoff: number;

  constructor(
    private readonly url: string,
    private readonly interval: number,
    private readonly warn: (message: string) => void,
  ) {
    this.gapMin = Math.min(GAP_MIN_MS, interval);
    this.backoff = Math.min(BACKOFF_MS, interval);
  }

  /** Fetches until it succeeds or `patience` is over; then the last failure. */
  async first(patience: number): Promise<Fetched> {
    const deadline = performance.now() + patience;
    for (let wait = this.backoff; ; wait = Math.min(2 * wait, this.interval)) {
      try {
        return await this.fetch();
      } catch (error) {
        if (performance.now() + wait >= deadline) throw error;
        this.warn(`${String(error)}; trying again in ${wait} ms`);
      }
      await new Promise((resume) => setTimeout(resume, wait));
    }
  }

  /** Keeps keys fresh in the background, away from the path that verifies. */
  keepFresh(first: Fetched, use: (keys: KeySet) => void): Refresh {
    const refresh = new Refresh();
    void this.run(first.text, use, refresh);
    return refresh;
  }

  private async run(text: string, use: (keys: KeySet) => void, refresh: Refresh): Promise<void> {
    let wait = this.interval;
    for (let failures = 0; ; ) {
      await refresh.pause(wait, Math.min(this.gapMin, wait));
      if (refresh.closed) return;
      try {
        const fetched = await this.fetch();
        if (refresh.closed) return;
        [wait, failures] = [this.interval, 0];
        if (fetched.text !== text) use(fetched.keys);
        text = fetched.text;
      } catch (error) {
        wait = Math.min(this.backoff * 2 ** Math.min(failures, 16), this.interval);
        failures += 1;
        this.warn(`${String(error)}; the known keys stay in use (failure ${failures})`);
      }
    }
  }

  /** One fetch. An answer without a usable key is a failure: it would refuse everybody. */
  private async fetch(): Promise<Fetched> {
    const answer = await get(this.url, new Headers(), JWKS_BYTES_MAX, FETCH_TIMEOUT_MS);
    if (answer.status !== 200) {
      throw new SetupError("status", `the facilitator answered with status ${answer.status}`);
    }
    const text = Buffer.from(answer.body).toString("utf8");
    return { keys: await readKeys(text), text };
  }
}

/** The background's pauses, which can be cut short, and its end. Its timers keep no process alive. */
export class Refresh {
  closed = false;
  private nudged = false;
  private wake: (() => void) | undefined;

  /** An unknown key was seen: perhaps there are new ones. Costs the caller nothing and waits for nothing. */
  nudge(): void {
    this.nudged = true;
    this.wake?.();
  }

  close(): void {
    this.closed = true;
    this.wake?.();
  }

  /** Until `wait` has passed, or a nudge comes, but not before `least`. */
  async pause(wait: number, least: number): Promise<void> {
    const began = performance.now();
    if (!this.nudged) await this.sleep(wait);
    // Nudges that come before `least` has passed are one.
    for (;;) {
      const left = least - (performance.now() - began);
      if (this.closed || left <= 0) break;
      await this.sleep(left);
    }
    this.nudged = false;
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resume) => {
      const timer = setTimeout(resume, ms).unref();
      this.wake = () => {
        clearTimeout(timer);
        resume();
      };
      if (this.closed) this.wake();
    });
  }
}
