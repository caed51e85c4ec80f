// The provider's own pre-auth route, and the online check, against a facilitator that is scripted at the HTTP level.
import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { test } from "node:test";
import { SetupError, checkOnline, preAuth, type PreAuthOptions, type Purchase } from "../src/index.js";
import { Served, problemOf } from "./support.js";

const SOLD = JSON.stringify({
  token: "a.b.c",
  token_type: "Bearer",
  expires_at: "2027-01-16T08:00:00Z",
  ws_url: "wss://pay.example/feeds/ticks/ws",
  session: {
    jti: "7d444840-9dc0-4acd-b245-5ffdce74fad2",
    feed: "ticks",
    unit: "stream",
    units_remaining: 10,
    deposited: "$10.00",
    chain: "base",
  },
});

interface Script {
  status: number;
  headers: Record<string, string>;
  body: string;
  seen: IncomingMessage[];
  served: Served;
}

async function scripted(): Promise<Script> {
  const script = { status: 500, headers: {}, body: "", seen: [] as IncomingMessage[] };
  const served = await Served.start((request, response) => {
    script.seen.push(request);
    response.writeHead(script.status, script.headers).end(script.body);
  });
  return Object.assign(script, { served });
}

async function provider(facilitator: string, options: PreAuthOptions = {}): Promise<Served> {
  const route = preAuth(facilitator, "ticks", "0xabc", { warn: () => {}, ...options });
  return Served.start((request, response) => route(request, response, () => response.end("inner")));
}

test("only the payment travels", async () => {
  const facilitator = await scripted();
  const served = await provider(facilitator.served.url(""));
  Object.assign(facilitator, {
    status: 402,
    headers: { "payment-required": "terms", "retry-after": "7", "set-cookie": "f=1", "x-secret": "1", "content-type": "application/json" },
    body: '{"x402Version":1}',
  });
  const headers = { "PAYMENT-SIGNATURE": "v2", "X-PAYMENT": "v1", "Tollwire-Claim": "claim", "SIGN-IN-WITH-X": "siwx" };
  const more = { Authorization: "Bearer secret", Cookie: "p=secret", "X-Forwarded-For": "10.0.0.1" };
  const answer = await fetch(served.url("/feeds/ticks/session?token=secret&a=1"), { headers: { ...headers, ...more } });
  assert.equal(answer.status, 402);
  assert.equal(await answer.text(), '{"x402Version":1}');
  assert.equal(answer.headers.get("payment-required"), "terms");
  assert.equal(answer.headers.get("retry-after"), "7");
  assert.equal(answer.headers.get("cache-control"), "private, no-store");
  for (const name of ["set-cookie", "x-secret"]) assert.equal(answer.headers.get(name), null);
  const [request] = facilitator.seen;
  assert.equal(request?.url, "/feeds/ticks/session");
  for (const [name, value] of Object.entries(headers)) assert.equal(request?.headers[name.toLowerCase()], value);
  for (const name of Object.keys(more)) assert.equal(request?.headers[name.toLowerCase()], undefined);
  for (const init of [{ path: "/feeds/ticks/session/", method: "GET" }, { path: "/feeds/ticks/session", method: "POST" }]) {
    assert.equal(await (await fetch(served.url(init.path), { method: init.method })).text(), "inner");
  }
  facilitator.served.stop();
  served.stop();
});

test("each sale is told, and a callback that fails loses nothing", async () => {
  const facilitator = await scripted();
  const told: Purchase[] = [];
  const warnings: string[] = [];
  const onSession = (purchase: Purchase) => {
    told.push(purchase);
    throw new Error("the provider's own");
  };
  const served = await provider(facilitator.served.url("/"), { onSession, warn: (text) => warnings.push(text) });
  Object.assign(facilitator, { status: 200, body: SOLD });
  const answer = await fetch(served.url("/feeds/ticks/session"));
  assert.equal(await answer.text(), SOLD);
  assert.deepEqual(told, [
    {
      session: "7d444840-9dc0-4acd-b245-5ffdce74fad2",
      feed: "ticks",
      unit: "stream",
      unitsRemaining: 10,
      deposited: "$10.00",
      chain: "base",
      expiresAt: "2027-01-16T08:00:00Z",
      wallet: "0xabc",
    },
  ]);
  for (const body of ["", "[]", SOLD.replace("ticks", "orders").replace('"feed":"ticks"', '"feed":"orders"')]) {
    facilitator.body = body;
    await (await fetch(served.url("/feeds/ticks/session"))).text();
  }
  assert.equal(told.length, 1);
  assert.equal(warnings.length, 4, warnings.join("\n"));
  assert.ok(!warnings.join().includes("a.b.c"), "no token is logged");
  facilitator.served.stop();
  served.stop();
});

test("no answer is never a fresh 402", async () => {
  const facilitator = await scripted();
  const served = await provider(facilitator.served.url(""), { route: "/pay" });
  facilitator.status = 302;
  assert.deepEqual(await problemOf(await fetch(served.url("/pay"))), { status: 502, code: "facilitator_unavailable" });
  Object.assign(facilitator, { status: 200, body: "x".repeat(70_000) });
  assert.deepEqual(await problemOf(await fetch(served.url("/pay"))), { status: 502, code: "facilitator_unavailable" });
  facilitator.served.stop();
  const answer = await fetch(served.url("/pay"));
  assert.equal(answer.headers.get("retry-after"), "2");
  assert.deepEqual(await problemOf(answer), { status: 502, code: "facilitator_unavailable" });
  served.stop();
});

test("settings that mean nothing are refused", () => {
  for (const [url, feed, wallet] of [
    ["pay.example", "ticks", "0xabc"],
    ["https://u:p@pay.example", "ticks", "0xabc"],
    ["https://pay.example?a", "ticks", "0xabc"],
    ["https://pay.example", "../ticks", "0xabc"],
    ["https://pay.example", "ticks", ""],
    ["https://pay.example", "ticks", "0x abc"],
  ] as const) {
    assert.throws(() => preAuth(url, feed, wallet), SetupError, `${url} ${feed} ${wallet}`);
  }
});

test("what is left is asked of the facilitator", async () => {
  const facilitator = await scripted();
  const check = () => checkOnline(facilitator.served.url(""), "a.b.c");
  Object.assign(facilitator, { status: 200, body: '{"active":true,"units_remaining":3}' });
  assert.deepEqual(await check(), { active: true, units_remaining: 3 });
  assert.equal(facilitator.seen[0]?.headers.authorization, "Bearer a.b.c");
  for (const status of [401, 403]) {
    facilitator.status = status;
    assert.deepEqual(await check(), { active: false });
  }
  facilitator.status = 503;
  await assert.rejects(check(), { reason: "status" });
  Object.assign(facilitator, { status: 200, body: "[]" });
  await assert.rejects(check(), { reason: "answer" });
  facilitator.served.stop();
});
