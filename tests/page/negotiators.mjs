// Agents that negotiate: OAuth client credentials, a DPoP proof for each request (RFC 9449), and the rest of ASP over HTTP
// and its WebSocket.
import { createHash, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import WebSocket from "ws";
import { until } from "./browser.mjs";

const { PUBLIC_URL, ASP_SECRET } = process.env;
const encode = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

/** An agent: a client of the broker's with a key of its own. */
export async function negotiator(client) {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const { kty, crv, x } = publicKey.export({ format: "jwk" });
  const proof = (htm, path, token) => {
    const ath = token ? { ath: createHash("sha256").update(token).digest("base64url") } : {};
    const claims = { jti: randomUUID(), htm, htu: `${PUBLIC_URL}${path}`, iat: Math.floor(Date.now() / 1000), ...ath };
    const signed = `${encode({ typ: "dpop+jwt", alg: "EdDSA", jwk: { kty, crv, x } })}.${encode(claims)}`;
    return `${signed}.${sign(null, Buffer.from(signed), privateKey).toString("base64url")}`;
  };
  const form = new URLSearchParams({ grant_type: "client_credentials", client_id: client, client_secret: ASP_SECRET });
  const issued = await fetch(`${PUBLIC_URL}/oauth/token`, { method: "POST", headers: { dpop: proof("POST", "/oauth/token") }, body: form });
  if (issued.status !== 200) throw new Error(await issued.text());
  const { access_token: token } = await issued.json();
  const ask = async (method, path, body) => {
    const headers = { authorization: `DPoP ${token}`, dpop: proof(method, path, token), "content-type": "application/json" };
    const answer = await fetch(`${PUBLIC_URL}${path}`, { method, headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  return {
    begin: async (participants) => (await ask("POST", "/v1/asp/sessions", { participants })).sessionId,
    say: (session, performative, body) => ask("POST", `/v1/asp/sessions/${session}/messages`, { performative, content: { body } }),
    /** A connection, once it is let in. */
    async connect(session) {
      const path = `/v1/asp/sessions/${session}/ws`;
      const socket = new WebSocket(`${PUBLIC_URL.replace("http", "ws")}${path}`);
      const frames = [];
      socket.on("message", (data) => frames.push(JSON.parse(data)));
      const ended = new Promise((resolve) => socket.on("close", (code) => resolve(code)));
      await new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject));
      socket.send(JSON.stringify({ type: "auth", token, dpopProof: proof("GET", path, token) }));
      await until("auth_ok", () => frames.find((frame) => frame.type === "auth_ok"));
      return { frames, ended };
    },
  };
}
