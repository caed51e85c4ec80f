import { VerifyError } from "./errors.js";

/**
 * Remembers what was used for at least as long as it would be good.
 *
 * Two generations that change places every `periodSecs`; each holds at most `max`. When one is full, uses are refused
 * rather than forgotten.
 */
export class Replays {
  private began = 0;
  private young = new Set<string>();
  private old = new Set<string>();

  /** `periodSecs` is the longest time from a first acceptance to its end. */
  constructor(
    private readonly periodSecs: number,
    private readonly max: number,
  ) {}

  /**
   * True for the first use, false for every other.
   *
   * @throws {VerifyError} `busy`
   */
  first(used: string, now: number): boolean {
    this.turn(now);
    if (this.young.has(used) || this.old.has(used)) return false;
    if (this.young.size >= this.max) throw new VerifyError("busy");
    this.young.add(used);
    return true;
  }

  private turn(now: number): void {
    const age = now - this.began;
    if (age < this.periodSecs) return;
    this.old = age < 2 * this.periodSecs ? this.young : new Set();
    this.young = new Set();
    this.began = now;
  }
}
