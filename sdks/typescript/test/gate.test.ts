// Requests of every form, through Express and through plain http upgrades.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import express from "express";
import { WebSocket, WebSocketServer } from "ws";
import { FeedGate, Verifier, gateUpgrade, requireSession, sessionOf, type Accept } from "../src/index.js";
import { Holder, Issuer, PAYER, Served, URL_ } from "./support.js";

async function gate(issuer: Issuer, accept: Accept): Promise<FeedGate> {
  return new FeedGate(await Verifier.fromJwks(URL_, issuer.jwks, { accept }), "ticks");
}

/** A request as it stands on the wire; the status and the `code` of its answer. */
async function raw(served: Served, target: string, headers: string[]): Promise<[status: number, code: string, head: string]> {
  const socket = connect(served.port, "127.0.0.1");
  socket.write([`GET ${target} HTTP/1.1`, "Host: h", "Connection: close", ...headers, "", ""].join("\r\n"));
  let text = "";
  for await (const chunk of socket) text += String(chunk);
  const [head = "", body = ""] = text.split("\r\n\r\n");
  const code = /"code":"([a-z_]+)"/.exec(body)?.[1] ?? body;
  return [Number(head.split(" ")[1]), code, head.toLowerCase()];
}

test("an Express route admits by query or header, once, and hides the token", async () => {
  const issuer = await Issuer.create("a");
  const app = express();
  app.get("/stream", requireSession(await gate(issuer, "stream-tokens")) as express.RequestHandler, (request, response) => {
    const { payer } = sessionOf(request) ?? {};
    response.json([payer, request.url, request.originalUrl, request.query, request.rawHeaders.join().includes("Bearer")]);
  });
  const served = await Served.start(createServer(app));
  const token = await issuer.stream("ticks", 1);
  assert.deepEqual(await (await fetch(served.url(`/stream?a=1&token=${token}&b`))).json(), [
    PAYER,
    "/stream?a=1&b",
    "/stream?a=1&b",
    { a: "1", b: "" },
    false,
  ]);
  const other = await issuer.stream("ticks", 2);
  const answer = await fetch(served.url("/stream"), { headers: { authorization: `bEARER  ${other}` } });
  assert.deepEqual(await answer.json(), [PAYER, "/stream", "/stream", {}, false]);
  for (const [target, headers, status, code] of [
    [`/stream?token=${token}`, [], 401, "replayed"],
    ["/stream", [], 401, "missing"],
    ["/stream?token=", [], 401, "malformed"],
    ["/stream?token=a&token=b", [], 400, "ambiguous"],
    ["/stream?token=a", ["Authorization: Bearer b"], 400, "ambiguous"],
    ["/stream", ["Authorization: Bearer a", "Authorization: Bearer b"], 400, "ambiguous"],
    ["/stream", ["Authorization: Bearer a", "Authorization: Basic b"], 400, "ambiguous"],
    ["/stream", ["Authorization: DPoP a", "DPoP: b"], 401, "proof_required"],
    ["/stream", ["Authorization: Basic dTpw"], 401, "missing"],
    [`/stream?token=${await issuer.stream("orders", 1)}`, [], 401, "audience"],
    [`/stream?token=${await issuer.session("ticks")}`, [], 401, "type"],
  ] as const) {
    const [was, name, head] = await raw(served, target, [...headers]);
    assert.deepEqual([was, name], [status, code], target);
    assert.match(head, /cache-control: no-store/);
    assert.equal(head.includes("www-authenticate"), status === 401);
  }
  served.stop();
});

test("without a session token, the way to pay", async () => {
  const issuer = await Issuer.create("a");
  const check = requireSession(await gate(issuer, "session-tokens"));
  const served = await Served.start((request, response) => check(request, response, () => response.end("in")));
  const [status, code, head] = await raw(served, "/", []);
  assert.deepEqual([status, code], [402, "payment_required"]);
  assert.match(head, /link: <https:\/\/pay\.example\/feeds\/ticks\/session>; rel="payment"/);
  const token = await issuer.session("ticks");
  for (let i = 0; i < 2; i++) assert.equal(await (await fetch(served.url(`/?token=${token}`))).text(), "in");
  served.stop();
});

test("a bound token admits with its proof, once", async () => {
  const door = "wss://feeds.example/stream";
  const [issuer, agent] = [await Issuer.create("a"), await Holder.create()];
  const plain = await gate(issuer, "session-tokens");
  const token = await issuer.session("ticks", agent.jkt);
  const serve = async (admits: FeedGate) => {
    const check = requireSession(admits);
    return Served.start((request, response) => check(request, response, () => response.end(request.rawHeaders.join())));
  };
  const [unproven, served] = [await serve(plain), await serve(plain.at(door))];
  const prove = (jti: string) => agent.prove(door, token, jti);
  const ask = (at: Served, scheme: string, ...proofs: string[]) =>
    raw(at, "/stream", [`Authorization: ${scheme} ${token}`, ...proofs.map((proof) => `DPoP: ${proof}`)]);
  const thief = await Holder.create();
  for (const [at, scheme, proofs, code] of [
    [unproven, "DPoP", [await prove("a")], "proof_required"],
    [served, "DPoP", [], "proof_required"],
    [served, "Bearer", [await prove("a")], "proof_required"],
    [served, "DPoP", [await prove("a"), await prove("b")], "proof_malformed"],
    [served, "DPoP", [await thief.prove(door, token, "a")], "proof_binding"],
    [served, "DPoP", [await agent.prove("wss://feeds.example/orders", token, "a")], "proof_url"],
  ] as const) {
    assert.deepEqual((await ask(at, scheme, ...proofs)).slice(0, 2), [401, code]);
  }
  const [status, left] = await ask(served, "DPoP", await prove("a"));
  assert.deepEqual([status, /dpop|authorization/i.test(left)], [200, false]);
  const [again, code, head] = await ask(served, "DPoP", await prove("a"));
  assert.deepEqual([again, code], [401, "proof_replayed"]);
  assert.match(head, /www-authenticate: dpop error="invalid_dpop_proof"/);
  const bearer = await issuer.session("ticks");
  const unbound = await raw(served, "/stream", [`Authorization: DPoP ${bearer}`, `DPoP: ${await agent.prove(door, bearer, "c")}`]);
  assert.deepEqual(unbound.slice(0, 2), [401, "not_bound"]);
  unproven.stop();
  served.stop();
});

test("a plain upgrade is gated before the WebSocket library sees it", async () => {
  const issuer = await Issuer.create("a");
  const sockets = new WebSocketServer({ noServer: true });
  const server = createServer();
  server.on(
    "upgrade",
    gateUpgrade(await gate(issuer, "stream-tokens"), (request, socket, head, session) =>
      sockets.handleUpgrade(request, socket, head, (open) => open.send(`${session.payer} ${request.url}`)),
    ),
  );
  const served = await Served.start(server);
  const token = await issuer.stream("ticks", 1);
  const socket = new WebSocket(`ws://127.0.0.1:${served.port}/stream?token=${token}&a`);
  assert.equal(await new Promise((got) => socket.once("message", (data) => got(String(data)))), `${PAYER} /stream?a`);
  socket.terminate();
  const upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="];
  const [status, code, head] = await raw(served, `/stream?token=${token}`, upgrade);
  assert.deepEqual([status, code], [401, "replayed"]);
  assert.match(head, /^http\/1\.1 401 unauthorized\r\ncontent-type: application\/problem\+json/);
  served.stop();
});
