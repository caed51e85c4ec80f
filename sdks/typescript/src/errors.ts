/** Why a token is refused. The same names in every language. */
export type Reason =
  | "malformed"
  | "header"
  | "algorithm"
  | "unknown_key"
  | "signature"
  | "type"
  | "issuer"
  | "audience"
  | "claims"
  | "not_yet_valid"
  | "expired"
  | "wrong_feed"
  | "ambiguous"
  | "missing"
  | "payment_required"
  | "proof_required"
  | "proof_malformed"
  | "proof_header"
  | "proof_type"
  | "proof_algorithm"
  | "proof_key"
  | "proof_signature"
  | "proof_claims"
  | "proof_method"
  | "proof_url"
  | "proof_not_yet_valid"
  | "proof_expired"
  | "proof_token"
  | "proof_binding"
  | "proof_replayed"
  | "not_bound"
  | "replayed"
  | "busy"
  | "not_installed";

const REASONS: Record<Reason, readonly [status: number, message: string]> = {
  malformed: [401, "the token is malformed"],
  header: [401, "the token's header carries a member that is refused"],
  algorithm: [401, "the token's algorithm is not its key's"],
  unknown_key: [401, "the token's key is not known"],
  signature: [401, "the token's signature does not verify"],
  type: [401, "the token is of another type"],
  issuer: [401, "the token is from another issuer"],
  audience: [401, "the token is for another audience"],
  claims: [401, "a claim of the token is missing or ill-formed"],
  not_yet_valid: [403, "the token is not valid yet"],
  expired: [403, "the token has expired"],
  wrong_feed: [403, "the token is for another feed"],
  ambiguous: [400, "send one token: either ?token= or Authorization: Bearer"],
  missing: [401, "no stream token: connect through the facilitator"],
  payment_required: [402, "no session token: buy a session"],
  proof_required: [401, "the token is bound to a key: send it as Authorization: DPoP, with a DPoP proof, where proofs are checked"],
  proof_malformed: [401, "the DPoP proof is malformed"],
  proof_header: [401, "the DPoP proof's header carries a member that is refused"],
  proof_type: [401, "the DPoP proof's typ is not dpop+jwt"],
  proof_algorithm: [401, "the DPoP proof's algorithm is not its key's; use EdDSA with Ed25519, or ES256"],
  proof_key: [401, "the DPoP proof's jwk cannot be used"],
  proof_signature: [401, "the DPoP proof's signature does not verify"],
  proof_claims: [401, "a claim of the DPoP proof is missing or ill-formed"],
  proof_method: [401, "the DPoP proof is for another method"],
  proof_url: [401, "the DPoP proof is for another URL"],
  proof_not_yet_valid: [401, "the DPoP proof's iat lies ahead; check the clock"],
  proof_expired: [401, "the DPoP proof is too old; make one for each request, and check the clock"],
  proof_token: [401, "the DPoP proof is not for the token presented"],
  proof_binding: [401, "the DPoP proof is by another key than the token is bound to"],
  proof_replayed: [401, "the DPoP proof has been used; make one for each request"],
  not_bound: [401, "the token is bound to no key: send it as Authorization: Bearer"],
  replayed: [401, "the stream token has been used"],
  busy: [503, "too many streams are opening"],
  not_installed: [500, "no verifier is installed"],
};

/** A refusal. No text of it carries a byte of the token, or of a proof. */
export class VerifyError extends Error {
  override readonly name = "VerifyError";
  /** Why, by its stable name. */
  readonly reason: Reason;
  /** The HTTP status that refuses an upgrade for this reason. */
  readonly status: number;
  /** Of `payment_required`: where a session is sold. */
  readonly sessionUrl: string | undefined;

  constructor(reason: Reason, sessionUrl?: string) {
    const [status, message] = REASONS[reason];
    super(sessionUrl === undefined ? message : `${message} at ${sessionUrl}`);
    this.reason = reason;
    this.status = status;
    this.sessionUrl = sessionUrl;
  }
}

/** What went wrong while setting up, or while asking the facilitator. The same names in every language. */
export type SetupReason =
  | "url"
  | "setting"
  | "file"
  | "keys"
  | "no_keys"
  | "unreachable"
  | "timeout"
  | "status"
  | "too_long"
  | "answer"
  | "installed";

/** Something could not be set up or fetched. Refusing a token is not an error of this kind. */
export class SetupError extends Error {
  override readonly name = "SetupError";
  readonly reason: SetupReason;

  constructor(reason: SetupReason, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.reason = reason;
  }
}
