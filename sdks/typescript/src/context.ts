import type { SessionClaims, StreamClaims, Unit } from "./claims.js";

/** Who may open what: the result of a successful verification. */
export interface SessionContext {
  /** The session (`jti`). */
  readonly session: string;
  /** The feed it admits to. */
  readonly feed: string;
  /** The payer's address. */
  readonly payer: string;
  /** When the token stops admitting, in Unix seconds. */
  readonly expiresAt: number;
  /** What kind of token was shown, and what that kind says besides. */
  readonly grant: StreamGrant | SessionGrant;
}

/** One opening of one stream, metered by the proxy in front of us. */
export interface StreamGrant {
  readonly kind: "stream";
  /** The stream. */
  readonly stream: string;
  /** Which opening of it. */
  readonly fence: number;
}

/** A session. How much is left of it only the facilitator knows. */
export interface SessionGrant {
  readonly kind: "session";
  /** What the units are. */
  readonly unit: Unit;
  /** The units that were left when the token was issued. */
  readonly unitsAtIssue: number;
  /** What was paid, such as `$10.00`. */
  readonly deposited: string;
  /** On which network (CAIP-2). */
  readonly network: string;
}

export function fromSession(claims: SessionClaims): SessionContext {
  const { unit, unitsAtIssue, deposited, network } = claims;
  return { ...shared(claims), grant: { kind: "session", unit, unitsAtIssue, deposited, network } };
}

export function fromStream(claims: StreamClaims): SessionContext {
  return { ...shared(claims), grant: { kind: "stream", stream: claims.stream, fence: claims.fence } };
}

function shared(claims: SessionClaims | StreamClaims): Omit<SessionContext, "grant"> {
  return { session: claims.jti, feed: claims.feed, payer: claims.sub, expiresAt: claims.exp };
}
