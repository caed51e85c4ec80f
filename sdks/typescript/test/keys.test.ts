// Where keys come from, and that verifying never goes and gets them.
import assert from "node:assert/strict";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { SetupError, Verifier, VerifyError, install, verifySessionToken, type ConnectOptions } from "../src/index.js";
import { Issuer, Jwks, Served, URL_ } from "./support.js";

const reason = (wanted: string) => (error: unknown) =>
  (error instanceof VerifyError || error instanceof SetupError) && error.reason === wanted;

async function connect(served: Served, options: ConnectOptions = {}): Promise<Verifier> {
  const jwksUrl = served.url("/.well-known/jwks.json");
  const quiet = { accept: "session-tokens", refreshMs: 100, patienceMs: 0, warn: () => {} } as const;
  return Verifier.connect(URL_, { ...quiet, jwksUrl, ...options });
}

test("from a text or a file", async () => {
  const issuer = await Issuer.create("a");
  const folder = await mkdtemp(join(tmpdir(), "tollwire-"));
  await writeFile(join(folder, "jwks.json"), issuer.jwks);
  const verifier = await Verifier.fromFile(URL_, join(folder, "jwks.json"));
  const context = await verifier.verifySessionToken(await issuer.stream("ticks", 7), "ticks");
  assert.deepEqual(context.grant, { kind: "stream", stream: "0123456789abcdef", fence: 7 });
  await assert.rejects(Verifier.fromFile(URL_, join(folder, "none.json")), reason("file"));
  await assert.rejects(Verifier.fromJwks(URL_, '{"keys":[]}'), reason("no_keys"));
  await assert.rejects(Verifier.fromJwks(URL_, `${" ".repeat(65536)}{}`), reason("keys"));
});

test("a stream token opens once, whatever is raced", async () => {
  const issuer = await Issuer.create("a");
  const verifier = await Verifier.fromJwks(URL_, issuer.jwks, { openingsMax: 2 });
  const token = await issuer.stream("ticks", 1);
  const all = await Promise.allSettled(Array.from({ length: 20 }, () => verifier.verifySessionToken(token, "ticks")));
  assert.equal(all.filter(({ status }) => status === "fulfilled").length, 1);
  assert.ok(all.every((one) => one.status === "fulfilled" || reason("replayed")(one.reason)));
  await verifier.verifySessionToken(await issuer.stream("ticks", 2), "ticks");
  await assert.rejects(verifier.verifySessionToken(await issuer.stream("ticks", 3), "ticks"), reason("busy"));
});

test("openings are remembered for as long as they would be good", async () => {
  let now = Math.floor(Date.now() / 1000);
  const issuer = await Issuer.create("a");
  const verifier = await Verifier.fromJwks(URL_, issuer.jwks, { clock: () => now });
  const token = await issuer.stream("ticks", 1);
  await verifier.verifySessionToken(token, "ticks");
  for (const later of [1, 60, 88]) {
    now += later === 1 ? 1 : later - 1;
    const seen = later === 88 ? "expired" : "replayed";
    if (later === 88) now += 30;
    await assert.rejects(verifier.verifySessionToken(token, "ticks"), reason(seen));
  }
});

test("verifying asks nobody, and an unknown key hastens the next fetch", async () => {
  const [old, next] = [await Issuer.create("old"), await Issuer.create("next")];
  const jwks = new Jwks(old.jwks);
  const served = await Served.start(jwks.listener);
  const verifier = await connect(served, { refreshMs: 200 });
  assert.equal(jwks.asked, 1);
  await verifier.verifySessionToken(await old.session("ticks"), "ticks");
  await assert.rejects(verifier.verifySessionToken(await next.session("ticks"), "ticks"), reason("unknown_key"));
  assert.equal(jwks.asked, 1);
  jwks.body = next.jwks;
  const token = await next.session("ticks");
  for (;;) {
    const verified = await verifier.verifySessionToken(token, "ticks").catch((error: unknown) => error);
    if (!(verified instanceof VerifyError)) break;
    assert.equal(verified.reason, "unknown_key");
    await jwks.askedAgain(1);
  }
  await assert.rejects(verifier.verifySessionToken(await old.session("ticks"), "ticks"), reason("unknown_key"));
  verifier.close();
  served.stop();
});

test("the known keys stay in use while fetching fails", async () => {
  const issuer = await Issuer.create("a");
  const jwks = new Jwks(issuer.jwks);
  const served = await Served.start(jwks.listener);
  const warnings: string[] = [];
  const verifier = await connect(served, { warn: (message) => warnings.push(message) });
  for (const [status, body] of [[500, ""], [200, "no JSON"], [200, '{"keys":[]}'], [302, issuer.jwks]] as const) {
    [jwks.status, jwks.body] = [status, body];
    await jwks.askedAgain(2);
    await verifier.verifySessionToken(await issuer.session("ticks"), "ticks");
  }
  assert.ok(warnings.length >= 7, warnings.join("\n"));
  verifier.close();
  served.stop();
});

test("the first fetch is patient, and says at last what was wrong", async () => {
  const issuer = await Issuer.create("a");
  const jwks = new Jwks(issuer.jwks, 503);
  const served = await Served.start(jwks.listener);
  await assert.rejects(connect(served), reason("status"));
  const connecting = connect(served, { patienceMs: 10_000 });
  await jwks.askedAgain(1);
  jwks.status = 200;
  (await connecting).close();
  served.stop();
  await assert.rejects(connect(served), reason("unreachable"));
  await assert.rejects(Verifier.connect("pay.example"), reason("url"));
});

test("as a plain function, over a verifier that was installed", async () => {
  const issuer = await Issuer.create("a");
  const token = await issuer.session("ticks");
  await assert.rejects(verifySessionToken(token, "ticks"), reason("not_installed"));
  const verifier = await Verifier.fromJwks(URL_, issuer.jwks, { accept: "session-tokens" });
  install(verifier);
  assert.equal((await verifySessionToken(token, "ticks")).feed, "ticks");
  assert.throws(() => install(verifier), reason("installed"));
});
