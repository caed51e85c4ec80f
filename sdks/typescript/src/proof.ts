import { createHash } from "node:crypto";
import { compactVerify } from "jose";
import { decode } from "./base64url.js";
import { VerifyError, type Reason } from "./errors.js";
import { readObject, type Json, type JsonObject } from "./json.js";
import { algorithmOf, coordinate, importPublic, type Algorithm } from "./keys.js";
import { normalUrl } from "./target.js";

/** The longest proof that is read, in bytes. Ordinary ones have about 500. */
const PROOF_BYTES_MAX = 4096;
/** How old a proof may be, in seconds. */
const AGE_SECS_MAX = 60;
/** How far ahead of our clock a proof's may be, in seconds. */
const AHEAD_SECS_MAX = 10;
/** How long a used proof must be remembered, in seconds: the longest time from its first acceptance to its end. */
export const REPLAY_SECS = AGE_SECS_MAX + AHEAD_SECS_MAX + 1;

/** Header members that fetch a key from elsewhere, or change how the payload is read. */
const REFUSED_MEMBERS = ["jku", "x5u", "x5c", "crit", "b64", "zip"];
/** Members of private and symmetric keys (RFC 7518 section 6, RFC 8037 section 2). */
const PRIVATE_MEMBERS = ["d", "k", "p", "q", "dp", "dq", "qi", "oth", "priv"];
const JTI = /^[\x20-\x7e]{1,128}$/;

/** The request that a proof came with, as the server knows it; a WebSocket is opened by `GET`. */
export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly token: string | undefined;
}

/** A proof that held: the thumbprint of the key that made it (RFC 7638), and its id. */
export interface Proof {
  readonly jkt: string;
  readonly jti: string;
}

interface Key {
  algorithm: Algorithm;
  members: Record<string, string>;
}

/**
 * Verifies the DPoP proof (RFC 9449) that came with a request. The checks run in this order: form, header, `typ`, `alg`,
 * `jwk`, signature, the claims' form, `htm`, `htu`, `iat`, `ath`. That it is by the right key, and used once, is for the
 * caller to see to.
 *
 * @throws {VerifyError} one of the `proof_` reasons
 */
export async function verifyProof(proof: string, asked: Asked, now: number): Promise<Proof> {
  const [key, payload] = await open(proof);
  const jti = text(payload, "jti");
  const [htm, htu, iat] = [text(payload, "htm"), text(payload, "htu"), payload.get("iat")];
  const ath = payload.has("ath") ? text(payload, "ath") : undefined;
  if (!JTI.test(jti) || typeof iat !== "number" || iat < 0) fail("proof_claims");
  if (htm !== asked.method) fail("proof_method");
  const url = normalUrl(htu);
  if (url === undefined || url !== normalUrl(asked.url)) fail("proof_url");
  if (iat > now + AHEAD_SECS_MAX) fail("proof_not_yet_valid");
  if (iat + AGE_SECS_MAX < now) fail("proof_expired");
  // Both or neither: a proof made for a token says nothing about a request without it.
  if (ath !== (asked.token === undefined ? undefined : hash(asked.token))) fail("proof_token");
  return { jkt: thumbprint(key), jti };
}

async function open(proof: string): Promise<[Key, JsonObject]> {
  const segments = proof.length > PROOF_BYTES_MAX ? [] : proof.split(".");
  const [head, payload, signature] = segments.map(decode);
  if (segments.length !== 3 || head === undefined) fail("proof_malformed");
  const header = object(head);
  if (payload === undefined || signature === undefined) fail("proof_malformed");
  const key = keyOf(header);
  const imported = await importPublic(key.members, key.algorithm).catch(() => fail("proof_key"));
  if (header.get("alg") !== key.algorithm) fail("proof_algorithm");
  await compactVerify(proof, imported, { algorithms: [key.algorithm] }).catch(() => fail("proof_signature"));
  return [key, object(payload)];
}

/** The key in a header, if the header is that of a proof in one of our algorithms. */
function keyOf(header: JsonObject): Key {
  if (REFUSED_MEMBERS.some((name) => header.has(name))) fail("proof_header");
  if (header.get("typ") !== "dpop+jwt") fail("proof_type");
  const alg = header.get("alg");
  if (alg !== "EdDSA" && alg !== "ES256") fail("proof_algorithm");
  const jwk = header.get("jwk");
  if (!(jwk instanceof Map) || PRIVATE_MEMBERS.some((name) => jwk.has(name))) fail("proof_key");
  const algorithm = algorithmOf(jwk);
  const forUs = (name: string, ours: Json) => !jwk.has(name) || jwk.get(name) === ours;
  if (algorithm === undefined || !forUs("use", "sig") || !forUs("alg", algorithm)) fail("proof_key");
  try {
    const x = coordinate(jwk, "x");
    // In the order of RFC 7638.
    if (algorithm === "EdDSA") return { algorithm, members: { crv: "Ed25519", kty: "OKP", x } };
    return { algorithm, members: { crv: "P-256", kty: "EC", x, y: coordinate(jwk, "y") } };
  } catch {
    fail("proof_key");
  }
}

function thumbprint(key: Key): string {
  return hash(JSON.stringify(key.members));
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}

function object(bytes: Uint8Array): JsonObject {
  try {
    return readObject(bytes);
  } catch {
    fail("proof_malformed");
  }
}

function text(payload: JsonObject, name: string): string {
  const value = payload.get(name);
  return typeof value === "string" ? value : fail("proof_claims");
}

function fail(reason: Reason): never {
  throw new VerifyError(reason);
}
