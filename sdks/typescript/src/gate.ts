import type { IncomingMessage } from "node:http";
import { isFeedId } from "./claims.js";
import type { SessionContext } from "./context.js";
import { SetupError, VerifyError } from "./errors.js";
import { extractProof, extractToken, stripToken } from "./token.js";
import type { Verifier } from "./verifier.js";

const admitted = new WeakMap<IncomingMessage, SessionContext>();

/** Who opened a request that a gate has admitted. */
export function sessionOf(request: IncomingMessage): SessionContext | undefined {
  return admitted.get(request);
}

/** Admits requests to one feed. */
export class FeedGate {
  private url: string | undefined;

  /** @throws {SetupError} `setting`, if that is no feed's name */
  constructor(
    private readonly verifier: Verifier,
    readonly feed: string,
  ) {
    requireFeedId(feed);
  }

  /**
   * The same gate, which also takes session tokens that are bound to a key, with their DPoP proofs. `url` is the one that
   * agents open, as it is published (`https` or `wss`): proofs are made for it. Without it, such a token is refused with
   * `proof_required`.
   */
  at(url: string): FeedGate {
    const gate = new FeedGate(this.verifier, this.feed);
    gate.url = url;
    return gate;
  }

  /**
   * Admits a request, or says why not. On success the token is gone from the request, and {@link sessionOf} knows whose
   * it is. Asking again about an admitted request gives the same answer.
   *
   * @throws {VerifyError}
   */
  async admit(request: IncomingMessage): Promise<SessionContext> {
    const before = admitted.get(request);
    if (before?.feed === this.feed) return before;
    const credentials = extractToken(request);
    if (credentials === undefined) throw this.verifier.missing(this.feed);
    const context = await this.verify(credentials.token, extractProof(request), request.method ?? "");
    stripToken(request);
    admitted.set(request, context);
    return context;
  }

  private verify(token: string, proof: string | undefined, method: string): Promise<SessionContext> {
    if (proof === undefined) return this.verifier.verifySessionToken(token, this.feed);
    if (this.url === undefined) throw new VerifyError("proof_required");
    return this.verifier.verifyBound(token, this.feed, proof, method, this.url);
  }
}

export function requireFeedId(feed: string): void {
  if (!isFeedId(feed)) {
    throw new SetupError("setting", "a feed id is 1 to 64 characters of a-z, 0-9, '-', '_' or '.', starting with a letter or digit");
  }
}
