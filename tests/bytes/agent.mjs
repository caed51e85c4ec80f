// An agent by npm packages: buys with @x402/fetch, opens with `ws`, sends messages of the given sizes, each of which
// must come back equal, and tells what was agreed to, how many bytes crossed its socket, and how it ended.
import { once } from "node:events";
import { wrapFetchWithPaymentFromConfig } from "@x402/fetch";
import { ExactEvmScheme } from "@x402/evm";
import { privateKeyToAccount } from "viem/accounts";
import WebSocket from "ws";

const { SESSION_URL, PRIVATE_KEY, SIZES, COMPRESS, PROTOCOLS } = process.env;

const client = new ExactEvmScheme(privateKeyToAccount(PRIVATE_KEY));
const pay = wrapFetchWithPaymentFromConfig(fetch, { schemes: [{ network: "eip155:*", client }] });
const { token, ws_url } = await (await pay(SESSION_URL)).json();

const stream = new WebSocket(ws_url, JSON.parse(PROTOCOLS ?? "[]"), {
  headers: { authorization: `Bearer ${token}` },
  perMessageDeflate: JSON.parse(COMPRESS ?? "false"),
});
const [[response]] = await Promise.all([once(stream, "upgrade"), once(stream, "open")]);

async function ask(message, options) {
  stream.send(message, options);
  return once(stream, "message");
}

for (const size of JSON.parse(SIZES)) {
  for (const binary of [false, true]) {
    const sent = Buffer.from("It repeats itself, so that it can be compressed. ".repeat(size / 49 + 1)).subarray(0, size);
    const [got, isBinary] = await ask(sent, { binary });
    if (isBinary !== binary || !sent.equals(got)) throw new Error(`${size} bytes, binary ${binary}: not equal`);
  }
}

const { bytesRead, bytesWritten } = response.socket;
const upstream = JSON.parse((await ask("report"))[0]);
const { extensions, protocol } = stream;
stream.send("close 4321 as the agent wished");
const [code, reason] = await once(stream, "close");
const closed = { code, reason: reason.toString() };
console.log(JSON.stringify({ ws_url, extensions, protocol, bytesRead, bytesWritten, upstream, closed }));
