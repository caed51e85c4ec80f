// The vectors that every language must read the same way: `npm run vectors`. Prints what disagrees.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Verifier } from "../src/index.js";
import { VerifyError } from "../src/errors.js";
import { readKeys } from "../src/keys.js";
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

interface File {
  issuer: string;
  audience: string;
  leeway_secs: number;
  jwks: unknown;
  vectors: Vector[];
  key_sets?: KeySetVector[];
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
    // The whole verifier refuses what is bound to a key: it sees no proof.
    const whole = vector.claims?.cnf === undefined ? expected : ["proof_required", 401];
    compare(found, `${vector.name} (verifySessionToken)`, whole, await verified(vector));
  }
  for (const set of file.key_sets ?? []) compare(found, set.name, [set.expect, ...(set.kids ?? [])], await keySet(set));
  return found;
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
  const verifier = await Verifier.fromJwks(file.audience, JSON.stringify(file.jwks), {
    accept: `${vector.verify}-tokens`,
    issuer: file.issuer,
    leewaySecs: file.leeway_secs,
    clock: () => vector.now,
  });
  return outcome(async () => {
    const context = await verifier.verifySessionToken(vector.token, vector.feed);
    return { sub: context.payer, jti: context.session, feed: context.feed, exp: context.expiresAt };
  });
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
  console.log(`typescript: ${file.vectors.length} tokens, ${file.key_sets?.length ?? 0} key sets, ${found.length} disagreements`);
  process.exit(found.length === 0 ? 0 : 1);
}
