import { readFile } from "node:fs/promises";
import { STREAM_SECS_MAX, type StreamClaims } from "./claims.js";
import { fromSession, fromStream, type SessionContext } from "./context.js";
import { SetupError, VerifyError } from "./errors.js";
import { join } from "./fetch.js";
import { readKeys, type KeySet } from "./keys.js";
import { REPLAY_SECS, verifyProof } from "./proof.js";
import { Source, type Refresh } from "./refresh.js";
import { Replays } from "./replays.js";
import { Tokens } from "./tokens.js";

/**
 * Which tokens a provider takes: the `stream-tokens` of the proxy in front of it, each once, or the agents' own
 * `session-tokens`, which prove who paid and not how much is left.
 */
export type Accept = "stream-tokens" | "session-tokens";

/** Settings of a verifier; each has a default. */
export interface VerifierOptions {
  /** `stream-tokens` by default. */
  accept?: Accept;
  /** The facilitator's `[token] issuer`, where it is not its `public_url`. */
  issuer?: string;
  /** How far clocks may differ, in seconds; 30 by default, 60 at most. */
  leewaySecs?: number;
  /**
   * How many openings are remembered in each of two turns of two minutes, and how many DPoP proofs in turns of one; beyond
   * that, 503. 262,144 by default.
   */
  openingsMax?: number;
  /** A clock of one's own: Unix seconds. */
  clock?: () => number;
  /** Where warnings go; `process.emitWarning` by default. */
  warn?: (message: string) => void;
}

/** Settings of a verifier that fetches its keys. */
export interface ConnectOptions extends VerifierOptions {
  /** Where the keys are, if not at `{publicUrl}/.well-known/jwks.json`. */
  jwksUrl?: string;
  /** How often they are fetched, in milliseconds: 5 minutes by default, at least 100 ms. An unknown key hastens it. */
  refreshMs?: number;
  /** How long the first fetch may take, with its repetitions, in milliseconds; 30 s by default. */
  patienceMs?: number;
}

const LEEWAY_MAX = 60;

/**
 * Verifies tokens of one facilitator: offline, by the keys at hand. Keys that come from a URL are refreshed in the
 * background; while that fails, the known ones stay in use.
 */
export class Verifier {
  readonly accept: Accept;
  private readonly tokens: Tokens;
  private readonly openings: Replays;
  private readonly proofs: Replays;
  private readonly clock: () => number;
  private refresh: Refresh | undefined;

  private constructor(
    /** The facilitator's `public_url`: `aud` of its session tokens. */
    readonly publicUrl: string,
    keys: KeySet,
    options: VerifierOptions,
  ) {
    const leeway = Math.min(options.leewaySecs ?? 30, LEEWAY_MAX);
    this.accept = options.accept ?? "stream-tokens";
    this.tokens = new Tokens(keys, options.issuer ?? publicUrl, publicUrl, leeway);
    // Accepted as early as the leeway before `iat`, as late as the leeway after `exp`.
    this.openings = new Replays(2 * leeway + STREAM_SECS_MAX, options.openingsMax ?? 262_144);
    this.proofs = new Replays(REPLAY_SECS, options.openingsMax ?? 262_144);
    this.clock = options.clock ?? (() => Math.floor(Date.now() / 1000));
  }

  /** Uses the keys of this JWK Set. */
  static async fromJwks(publicUrl: string, jwks: string, options: VerifierOptions = {}): Promise<Verifier> {
    return new Verifier(publicUrl, await readKeys(jwks), options);
  }

  /** Uses the keys of a file with a JWK Set, read once. */
  static async fromFile(publicUrl: string, path: string, options: VerifierOptions = {}): Promise<Verifier> {
    const text = await readFile(path, "utf8").catch((cause: unknown) => {
      throw new SetupError("file", `cannot read the key set ${path}`, { cause });
    });
    return Verifier.fromJwks(publicUrl, text, options);
  }

  /** Fetches the keys from the facilitator, now and again. */
  static async connect(publicUrl: string, options: ConnectOptions = {}): Promise<Verifier> {
    const url = options.jwksUrl === undefined ? join(publicUrl, "/.well-known/jwks.json") : join(options.jwksUrl, "");
    const warn = options.warn ?? ((message: string) => process.emitWarning(message, "TollwireWarning"));
    const source = new Source(url, Math.max(options.refreshMs ?? 300_000, 100), warn);
    const first = await source.first(options.patienceMs ?? 30_000);
    const verifier = new Verifier(publicUrl, first.keys, options);
    verifier.refresh = source.keepFresh(first, (keys) => (verifier.tokens.keys = keys));
    return verifier;
  }

  /**
   * Verifies a token for a feed: who opens what, or why not. A stream token is used up by being accepted. A session
   * token that is bound to a key is refused, by `proof_required`: alone it may be stolen. It is for {@link verifyBound}.
   *
   * @throws {VerifyError}
   */
  async verifySessionToken(token: string, feedId: string): Promise<SessionContext> {
    return this.noting(this.accept === "stream-tokens" ? this.stream(token, feedId) : this.session(token, feedId));
  }

  /**
   * Verifies a session token that came as `Authorization: DPoP`: that it admits to the feed, and that the key it is bound to
   * made the request's `DPoP` header, `proof`, for this very request, within a minute, and for the first time.
   *
   * `method` is the request's (a WebSocket is opened by `GET`). `url` is the one that agents open, as the provider publishes
   * it, without regard to the `Host` header; `wss` and `https` are one, query and fragment do not matter. Which proofs were
   * used is the process's own memory: a provider with several processes can see one once per process within its minute.
   *
   * @throws {VerifyError}
   */
  async verifyBound(token: string, feedId: string, proof: string, method: string, url: string): Promise<SessionContext> {
    return this.noting(this.bound(token, feedId, proof, method, url));
  }

  /** What a request without a token is told. */
  missing(feedId: string): VerifyError {
    if (this.accept === "stream-tokens") return new VerifyError("missing");
    return new VerifyError("payment_required", join(this.publicUrl, `/feeds/${feedId}/session`));
  }

  /** Ends the background's fetches. The keys at hand stay good. */
  close(): void {
    this.refresh?.close();
  }

  private async stream(token: string, feedId: string): Promise<SessionContext> {
    const now = this.clock();
    const claims = await this.tokens.stream(token, feedId, now);
    if (!this.openings.first(opening(claims), now)) throw new VerifyError("replayed");
    return fromStream(claims);
  }

  private async session(token: string, feedId: string): Promise<SessionContext> {
    const claims = await this.tokens.session(token, feedId, this.clock());
    if (claims.jkt !== undefined) throw new VerifyError("proof_required");
    return fromSession(claims);
  }

  private async bound(token: string, feedId: string, proof: string, method: string, url: string): Promise<SessionContext> {
    if (this.accept === "stream-tokens") throw new VerifyError("not_bound");
    const now = this.clock();
    const claims = await this.tokens.session(token, feedId, now);
    if (claims.jkt === undefined) throw new VerifyError("not_bound");
    const { jkt, jti } = await verifyProof(proof, { method, url, token }, now);
    if (jkt !== claims.jkt) throw new VerifyError("proof_binding");
    if (!this.proofs.first(`${jkt} ${jti}`, now)) throw new VerifyError("proof_replayed");
    return fromSession(claims);
  }

  /** Asks for newer keys if an unknown one was the reason. */
  private async noting(verified: Promise<SessionContext>): Promise<SessionContext> {
    try {
      return await verified;
    } catch (error) {
      if (error instanceof VerifyError && error.reason === "unknown_key") this.refresh?.nudge();
      throw error;
    }
  }
}

/** One opening of one stream. Agents choose stream ids, so they mean something only within a session. */
function opening(claims: StreamClaims): string {
  return `${claims.jti} ${claims.stream} ${claims.fence}`;
}
