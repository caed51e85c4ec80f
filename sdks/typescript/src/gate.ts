import type { IncomingMessage } from "node:http";
import { isFeedId } from "./claims.js";
import type { SessionContext } from "./context.js";
import { SetupError, VerifyError } from "./errors.js";
import { extractToken, stripToken } from "./token.js";
import type { Verifier } from "./verifier.js";

const admitted = new WeakMap<IncomingMessage, SessionContext>();

/** Who opened a request that a gate has admitted. */
export function sessionOf(request: IncomingMessage): SessionContext | undefined {
  return admitted.get(request);
}

/** Admits requests to one feed. */
export class FeedGate {
  /** @throws {SetupError} `setting`, if that is no feed's name */
  constructor(
    private readonly verifier: Verifier,
    readonly feed: string,
  ) {
    requireFeedId(feed);
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
    if (credentials.bound) throw new VerifyError("proof_required");
    const context = await this.verifier.verifySessionToken(credentials.token, this.feed);
    stripToken(request);
    admitted.set(request, context);
    return context;
  }
}

export function requireFeedId(feed: string): void {
  if (!isFeedId(feed)) {
    throw new SetupError("setting", "a feed id is 1 to 64 characters of a-z, 0-9, '-', '_' or '.', starting with a letter or digit");
  }
}
