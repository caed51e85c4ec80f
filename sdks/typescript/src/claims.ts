import { VerifyError } from "./errors.js";
import type { Json, JsonObject } from "./json.js";

/** What the units of a session are. */
export type Unit = "stream" | "second" | "message" | "kib";

/** The claims of a session token. Times are Unix seconds; amounts are as of issue. */
export interface SessionClaims {
  sub: string;
  jti: string;
  feed: string;
  deposited: string;
  unitsAtIssue: number;
  unit: Unit;
  network: string;
  iat: number;
  nbf: number;
  exp: number;
  /** The thumbprint of the key the token is bound to, if it is (RFC 9449). */
  jkt: string | undefined;
}

/** The claims of a stream token. */
export interface StreamClaims {
  sub: string;
  jti: string;
  stream: string;
  fence: number;
  feed: string;
  iat: number;
  exp: number;
}

/** The longest a session token is valid: 31 days. */
const SESSION_SECS_MAX = 31 * 24 * 60 * 60;
/** The longest a stream token is valid. */
export const STREAM_SECS_MAX = 60;

const ADDRESS = /^[\x21-\x7e]{1,128}$/;
const SESSION_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const STREAM_ID = /^[A-Za-z0-9_-]{16,64}$/;
const FEED_ID = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const DOLLARS = /^\$(?:0|[1-9][0-9]{0,9})\.[0-9]{2}(?:[0-9]{0,3}[1-9])?$/;
const UNIT = /^(?:stream|second|message|kib)$/;
const EIP155 = /^eip155:([1-9][0-9]{0,19})$/;
const SOLANA = /^solana:(?:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp|EtWTRABZaYq6iMfeYKouRu166VU2xqa1|4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z)$/;
const CHAIN = /^[a-z0-9-]{1,32}$/;
const HASH = /^[A-Za-z0-9_-]{43}$/;
const ANY = /^/;

/** True for a feed's name. */
export function isFeedId(text: string): boolean {
  return FEED_ID.test(text);
}

/** @throws {VerifyError} `claims` */
export function readSession(payload: JsonObject): SessionClaims {
  const [iat, exp] = life(payload, SESSION_SECS_MAX);
  const nbf = integer(payload, "nbf");
  if (nbf >= exp) throw new VerifyError("claims");
  text(payload, "chain", CHAIN);
  integer(payload, "gen");
  return {
    sub: text(payload, "sub", ADDRESS),
    jti: text(payload, "jti", SESSION_ID),
    feed: text(payload, "feed", FEED_ID),
    deposited: deposited(payload),
    unitsAtIssue: integer(payload, "streams_remaining"),
    unit: text(payload, "unit", UNIT) as Unit,
    network: network(payload),
    iat,
    nbf,
    exp,
    jkt: thumbprint(payload.get("cnf")),
  };
}

/** @throws {VerifyError} `claims` */
export function readStream(payload: JsonObject): StreamClaims {
  const [iat, exp] = life(payload, STREAM_SECS_MAX);
  return {
    sub: text(payload, "sub", ADDRESS),
    jti: text(payload, "jti", SESSION_ID),
    stream: text(payload, "stream", STREAM_ID),
    fence: integer(payload, "fence"),
    feed: text(payload, "feed", FEED_ID),
    iat,
    exp,
  };
}

function text(payload: JsonObject, name: string, form: RegExp): string {
  const value = payload.get(name);
  if (typeof value !== "string" || !form.test(value)) throw new VerifyError("claims");
  return value;
}

/** At most 2^53 - 1, so that it is exact in every language. */
function integer(payload: JsonObject, name: string): number {
  const value = payload.get(name);
  if (typeof value !== "number" || value < 0) throw new VerifyError("claims");
  return value;
}

function life(payload: JsonObject, secsMax: number): [iat: number, exp: number] {
  const [iat, exp] = [integer(payload, "iat"), integer(payload, "exp")];
  if (exp <= iat || exp - iat > secsMax) throw new VerifyError("claims");
  return [iat, exp];
}

/** Dollars with two to six decimals, below 2^53 atomic units. */
function deposited(payload: JsonObject): string {
  const value = text(payload, "deposited", DOLLARS);
  const [whole = "", fraction = ""] = value.slice(1).split(".");
  if (BigInt(whole + fraction.padEnd(6, "0")) >= 2n ** 53n) throw new VerifyError("claims");
  return value;
}

function network(payload: JsonObject): string {
  const value = text(payload, "network", ANY);
  const id = EIP155.exec(value)?.[1];
  if (id === undefined ? !SOLANA.test(value) : BigInt(id) >= 2n ** 64n) throw new VerifyError("claims");
  return value;
}

/** `cnf.jkt` (RFC 9449). A binding of any other kind is refused: nobody here could enforce it. */
function thumbprint(confirmation: Json | undefined): string | undefined {
  if (confirmation === undefined) return undefined;
  if (!(confirmation instanceof Map) || confirmation.size !== 1) throw new VerifyError("claims");
  return text(confirmation, "jkt", HASH);
}
