// What verifying costs per token, beside what jose alone takes for the signature: `npm run bench`.
// Prints the median of interleaved rounds as one JSON line.
import { readFileSync } from "node:fs";
import { compactVerify, importJWK } from "jose";
import { Verifier } from "@tollwire/provider";

const file = JSON.parse(readFileSync(new URL("../../../tests/vectors/tokens.json", import.meta.url), "utf8"));
const [ROUNDS, TOKENS] = [15, 300];

async function compare(name) {
  const { token, feed, now } = file.vectors.find((vector) => vector.name === name);
  const verifier = await Verifier.fromJwks(file.audience, JSON.stringify(file.jwks), { accept: "session-tokens", clock: () => now });
  const { kid, alg } = JSON.parse(Buffer.from(token.split(".")[0], "base64url"));
  const key = await importJWK(file.jwks.keys.find((jwk) => jwk.kid === kid), alg);
  const ours = [];
  const library = [];
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(await time(() => verifier.verifySessionToken(token, feed)));
    library.push(await time(() => compactVerify(token, key, { algorithms: [alg] })));
  }
  return { ours_us: median(ours), library_us: median(library), ratio: Number((median(ours) / median(library)).toFixed(2)) };
}

async function time(verify) {
  const began = process.cpuUsage();
  for (let i = 0; i < TOKENS; i++) await verify();
  const { user, system } = process.cpuUsage(began);
  return Number(((user + system) / TOKENS).toFixed(1));
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

const [eddsa, es256] = [await compare("session, EdDSA"), await compare("session, ES256")];
console.log(JSON.stringify({ language: "typescript", library: "jose", eddsa, es256 }));
