import { compactVerify } from "jose";
import { decode } from "./base64url.js";
import { VerifyError } from "./errors.js";
import { readObject, type JsonObject } from "./json.js";
import type { Algorithm, KeySet } from "./keys.js";

/** The longest token that is read, in bytes. */
export const TOKEN_BYTES_MAX = 4096;

/** Header members that bring their own key, or another way to read the payload. None of our tokens has one. */
const REFUSED_MEMBERS = ["jwk", "jku", "x5u", "x5c", "crit", "b64", "zip"];

interface Compact {
  payload: Uint8Array;
  algorithm: Algorithm;
  kid: string;
  typ: unknown;
}

/**
 * The payload of a token of this type, signed by a key of the set. The form is read strictly and before any key is
 * chosen; the algorithm is the key's, never the token's.
 *
 * @throws {VerifyError}
 */
export async function open(token: string, keys: KeySet, typ: string): Promise<JsonObject> {
  const compact = parse(token);
  const key = keys.get(compact.kid);
  if (key === undefined) throw new VerifyError("unknown_key");
  if (key.algorithm !== compact.algorithm) throw new VerifyError("algorithm");
  try {
    await compactVerify(token, key.key, { algorithms: [key.algorithm] });
  } catch {
    throw new VerifyError("signature");
  }
  if (compact.typ !== typ) throw new VerifyError("type");
  return readObject(compact.payload);
}

function parse(token: string): Compact {
  const segments = token.length > TOKEN_BYTES_MAX ? [] : token.split(".");
  const [head, payload, signature] = segments.map(decode);
  if (segments.length !== 3 || head === undefined) throw new VerifyError("malformed");
  const header = readObject(head);
  if (payload === undefined || signature === undefined) throw new VerifyError("malformed");
  if (REFUSED_MEMBERS.some((name) => header.has(name))) throw new VerifyError("header");
  const algorithm = header.get("alg");
  if (algorithm !== "EdDSA" && algorithm !== "ES256") throw new VerifyError("algorithm");
  const kid = header.get("kid");
  if (typeof kid !== "string") throw new VerifyError("unknown_key");
  return { payload, algorithm, kid, typ: header.get("typ") };
}
