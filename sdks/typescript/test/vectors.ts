// The vectors that every language must read the same way: `npm run vectors`. Prints what disagrees.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Verifier, type SessionContext } from "../src/index.js";
import { VerifyError } from "../src/errors.js";
import { readKeys } from "../src/keys.js";
import { verifyProof } from "../src/proof.js";
import { Tokens } from "../src/tokens.js";

interface Vector {
  name: string;
  verify: "session" | "stream";
  feed: string;
  now: number;
  token: string;
  expect: string;
  status: number;
  claims?: { sub: string; jti: string; feed: string; exp: number; cnf?: unknown };
}

interface KeySetVector {
  name: string;
  jwks: string;
  expect: string;
  kids?: string[];
}

/** What a request with a proof is, as the server knows it. */
interface Asked {
  name: string;
  now: number;
  method: string;
  url: string;
  proof: string;
  expect: string;
}

interface ProofVector extends Asked {
  token: string | null;
  jkt: string | null;
  by?: string;
  jti?: string;
}

interface BoundVector extends Asked {
  feed: string;
  token: string;
  status: number;
}

interface File {
  issuer: string;
  audience: string;
  leeway_secs: number;
  jwks: unknown;
  vectors: Vector[];
  key_sets?: KeySetVector[];
  proofs?: ProofVector[];
  bound?: BoundVector[];
}

/** What became of something: a name, and what was read if it was accepted. */
type Outcome = [result: string, status: number, ...read: unknown[]];

const path = process.env["VECTORS"] ?? fileURLToPath(new URL("../../../../tests/vectors/tokens.json", import.meta.url));

export const file = JSON.parse(readFileSync(path, "utf8")) as File;

/** Every disagreement with the file, as a line of text. */
export async function disagreements(): Promise<string[]> {
  const found: string[] = [];
  const tokens = new Tokens(await readKeys(JSON.stringify(file.jwks)), file.issuer, file.audience, file.leeway_secs);
  for (const vector of file.vectors) {
    const expected = expectation(vector);
    compare(found, vector.name, expected, await outcome(() => tokens[vector.verify](vector.token, vector.feed, vector.now)));
    // Alone, what is bound to a key is refused.
    const whole = vector.claims?.cnf === undefined ? expected : ["proof_required", 401];
    compare(found, `${vector.name} (verifySessionToken)`, whole, await verified(vector));
  }
  for (const set of file.key_sets ?? []) compare(found, set.name, [set.expect, ...(set.kids ?? [])], await keySet(set));
  for (const vector of file.proofs ?? []) {
    const expected = vector.expect === "ok" ? ["ok", vector.by, vector.jti] : [vector.expect];
    compare(found, vector.name, expected, await proven(vector));
  }
  for (const vector of file.bound ?? []) {
    compare(found, vector.name, [vector.expect, vector.status], (await bound(vector)).slice(0, 2));
  }
  return found;
}

async function proven({ proof, method, url, token, now, jkt }: ProofVector): Promise<unknown[]> {
  try {
    const by = await verifyProof(proof, { method, url, token: token ?? undefined }, now);
    return jkt === null || by.jkt === jkt ? ["ok", by.jkt, by.jti] : ["proof_binding"];
  } catch (error) {
    if (error instanceof VerifyError) return [error.reason];
    throw error;
  }
}

async function bound({ token, feed, proof, method, url, now }: BoundVector): Promise<Outcome> {
  const verifier = await verifierAt("session", now);
  return outcome(async () => seen(await verifier.verifyBound(token, feed, proof, method, url)));
}

function expectation({ expect, status, claims }: Vector): Outcome {
  return claims === undefined ? [expect, status] : ["ok", 101, claims.sub, claims.jti, claims.feed, claims.exp];
}

async function outcome(verify: () => Promise<{ sub: string; jti: string; feed: string; exp: number }>): Promise<Outcome> {
  try {
    const { sub, jti, feed, exp } = await verify();
    return ["ok", 101, sub, jti, feed, exp];
  } catch (error) {
    if (error instanceof VerifyError) return [error.reason, error.status];
    throw error;
  }
}

async function verified(vector: Vector): Promise<Outcome> {
  const verifier = await verifierAt(vector.verify, vector.now);
  return outcome(async () => seen(await verifier.verifySessionToken(vector.token, vector.feed)));
}

function verifierAt(verify: "session" | "stream", now: number): Promise<Verifier> {
  return Verifier.fromJwks(file.audience, JSON.stringify(file.jwks), {
    accept: `${verify}-tokens`,
    issuer: file.issuer,
    leewaySecs: file.leeway_secs,
    clock: () => now,
  });
}

function seen({ payer, session, feed, expiresAt }: SessionContext) {
  return { sub: payer, jti: session, feed, exp: expiresAt };
}

async function keySet(set: KeySetVector): Promise<string[]> {
  try {
    return ["ok", ...(await readKeys(set.jwks)).keys()];
  } catch (error) {
    return [(error as { reason: string }).reason];
  }
}

function compare(found: string[], name: string, expected: unknown, got: unknown): void {
  const [wanted, was] = [JSON.stringify(expected), JSON.stringify(got)];
  if (wanted !== was) found.push(`${name}: expected ${wanted}, got ${was}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const found = await disagreements();
  for (const line of found) console.log(`typescript disagrees: ${line}`);
  const counts = `${file.vectors.length} tokens, ${file.key_sets?.length} key sets, ${file.proofs?.length} proofs, ${file.bound?.length} bound`;
  console.log(`typescript: ${counts}, ${found.length} disagreements`);
  process.exit(found.length === 0 ? 0 : 1);
}
