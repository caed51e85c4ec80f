/** A session that an agent bought through the provider's route. It has no token: that is the agent's. */
export interface Purchase {
  /** The session. */
  readonly session: string;
  /** The feed. */
  readonly feed: string;
  /** What its units are. */
  readonly unit: string;
  /** The units left at the time of the answer. */
  readonly unitsRemaining: number;
  /** What was paid, such as `$10.00`. */
  readonly deposited: string;
  /** On which chain, such as `base`. */
  readonly chain: string;
  /** When its token stops admitting (RFC 3339). */
  readonly expiresAt: string;
  /** The provider's wallet, as the route was given it. */
  readonly wallet: string;
}

/** Reads the facilitator's 200; `undefined` if it is not one that sells a session. */
export function readPurchase(body: Uint8Array, wallet: string): Purchase | undefined {
  const answer = members(parse(body));
  const session = members(answer?.["session"]);
  const { jti, feed, unit, units_remaining, deposited, chain } = session ?? {};
  const expiresAt = answer?.["expires_at"];
  const texts = [jti, feed, unit, deposited, chain, expiresAt];
  if (!texts.every((text) => typeof text === "string") || !Number.isSafeInteger(units_remaining)) return undefined;
  return {
    session: jti as string,
    feed: feed as string,
    unit: unit as string,
    unitsRemaining: units_remaining as number,
    deposited: deposited as string,
    chain: chain as string,
    expiresAt: expiresAt as string,
    wallet,
  };
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString("utf8"));
  } catch {
    return undefined;
  }
}

function members(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
}
