import { importJWK, type CryptoKey } from "jose";
import { decode } from "./base64url.js";
import { SetupError } from "./errors.js";
import { readObject, type Json, type JsonObject } from "./json.js";

/** The longest JWK Set that is read, in bytes. */
export const JWKS_BYTES_MAX = 64 * 1024;
/** The most keys a set holds. */
export const KEYS_MAX = 32;

/** A signature algorithm. It belongs to a key; a token's header can only agree with it. */
export type Algorithm = "EdDSA" | "ES256";

/** A public key with its one algorithm. */
export interface PublicKey {
  readonly kid: string;
  readonly algorithm: Algorithm;
  readonly key: CryptoKey;
}

/** Public keys by name. */
export type KeySet = ReadonlyMap<string, PublicKey>;

const KID = /^[A-Za-z0-9._-]{1,64}$/;

/**
 * Reads a JWK Set. Keys of a kind that is not ours are skipped, as RFC 7517 asks. An unusable key of ours, one without
 * a name, a name twice or a private key refuses the whole set: it was not meant to be published.
 *
 * @throws {SetupError} `keys`, or `no_keys` if none is left
 */
export async function readKeys(jwks: string): Promise<KeySet> {
  const bytes = Buffer.from(jwks, "utf8");
  if (bytes.length > JWKS_BYTES_MAX) throw unusable("a JWK Set of at most 64 KiB is expected");
  const found = parse(bytes).get("keys");
  if (!Array.isArray(found)) throw unusable("a JWK Set has an array of keys");
  const keys = new Map<string, PublicKey>();
  for (const jwk of found) {
    const key = await read(jwk);
    if (key === undefined) continue;
    if (keys.has(key.kid)) throw unusable("each key of a JWK Set has its own kid");
    if (keys.size >= KEYS_MAX) throw unusable("a JWK Set of at most 32 keys is expected");
    keys.set(key.kid, key);
  }
  if (keys.size === 0) throw new SetupError("no_keys", "the key set has no Ed25519 or P-256 key for signatures");
  return keys;
}

/** Reads one JWK; `undefined` if it is of a kind or for a use that is not ours. */
async function read(jwk: Json): Promise<PublicKey | undefined> {
  if (!(jwk instanceof Map)) throw unusable("a JWK is a JSON object");
  const algorithm = algorithmOf(jwk);
  if (algorithm === undefined) return undefined;
  if (jwk.has("d")) throw unusable("a JWK Set holds public keys; this one has a private key");
  const forUs = (name: string, ours: string) => !jwk.has(name) || jwk.get(name) === ours;
  if (!forUs("use", "sig") || !forUs("alg", algorithm)) return undefined;
  const kid = jwk.get("kid");
  if (typeof kid !== "string" || !KID.test(kid)) throw unusable("a kid of 1 to 64 characters of A-Z, a-z, 0-9, '-', '_' or '.'");
  const x = coordinate(jwk, "x");
  const key =
    algorithm === "EdDSA" ? { kty: "OKP", crv: "Ed25519", x } : { kty: "EC", crv: "P-256", x, y: coordinate(jwk, "y") };
  return { kid, algorithm, key: await importPublic(key, algorithm) };
}

/** @throws {SetupError} `keys` */
export async function importPublic(jwk: Record<string, string>, algorithm: Algorithm): Promise<CryptoKey> {
  try {
    const imported = await importJWK(jwk, algorithm);
    if (imported instanceof Uint8Array) throw unusable("a public key is expected");
    return imported;
  } catch (cause) {
    throw unusable("a coordinate is not one of a key", cause);
  }
}

/** The algorithm of a key that is of one of our kinds. */
export function algorithmOf(jwk: JsonObject): Algorithm | undefined {
  const [kty, crv] = [jwk.get("kty"), jwk.get("crv")];
  if (kty === "OKP" && crv === "Ed25519") return "EdDSA";
  return kty === "EC" && crv === "P-256" ? "ES256" : undefined;
}

/** @throws {SetupError} `keys` */
export function coordinate(jwk: JsonObject, name: string): string {
  const text = jwk.get(name);
  if (typeof text !== "string" || decode(text)?.length !== 32) throw unusable("a coordinate of 32 bytes in unpadded base64url is expected");
  return text;
}

function parse(bytes: Uint8Array): JsonObject {
  try {
    return readObject(bytes);
  } catch (cause) {
    throw unusable("a JWK Set is a JSON object", cause);
  }
}

function unusable(expected: string, cause?: unknown): SetupError {
  return new SetupError("keys", `the key set cannot be used: ${expected}`, cause === undefined ? undefined : { cause });
}
