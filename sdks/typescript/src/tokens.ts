import { readSession, readStream, type SessionClaims, type StreamClaims } from "./claims.js";
import { VerifyError } from "./errors.js";
import type { JsonObject } from "./json.js";
import { open } from "./jws.js";
import type { KeySet } from "./keys.js";

/** The `typ` of a session token. */
export const SESSION_TYPE = "tollwire-session+jwt";
/** The `typ` of a stream token. */
export const STREAM_TYPE = "tollwire-stream+jwt";

/**
 * Verifies tokens of one issuer. The checks run in this order: form, header, key, signature, `typ`, `iss`, `aud`, the
 * claims' form (all 401), then `nbf`, `iat`, `exp`, `feed` (403). `now` is in Unix seconds.
 */
export class Tokens {
  constructor(
    public keys: KeySet,
    private readonly issuer: string,
    private readonly audience: string,
    private readonly leewaySecs: number,
  ) {}

  /** A session token that must admit to this feed. That it may be bound to a key is for the caller to see to. */
  async session(token: string, feed: string, now: number): Promise<SessionClaims> {
    const claims = readSession(await this.read(token, SESSION_TYPE, this.audience));
    this.checkTimes(claims.nbf, claims.iat, claims.exp, now);
    if (claims.feed !== feed) throw new VerifyError("wrong_feed");
    return claims;
  }

  /** A stream token for this feed. That it is used once is for the caller to see to. */
  async stream(token: string, feed: string, now: number): Promise<StreamClaims> {
    const claims = readStream(await this.read(token, STREAM_TYPE, feed));
    this.checkTimes(claims.iat, claims.iat, claims.exp, now);
    if (claims.feed !== feed) throw new VerifyError("wrong_feed");
    return claims;
  }

  private async read(token: string, typ: string, audience: string): Promise<JsonObject> {
    const payload = await open(token, this.keys, typ);
    if (payload.get("iss") !== this.issuer) throw new VerifyError("issuer");
    if (payload.get("aud") !== audience) throw new VerifyError("audience");
    return payload;
  }

  private checkTimes(nbf: number, iat: number, exp: number, now: number): void {
    const latest = now + this.leewaySecs;
    if (nbf > latest || iat > latest) throw new VerifyError("not_yet_valid");
    if (now >= exp + this.leewaySecs) throw new VerifyError("expired");
  }
}
