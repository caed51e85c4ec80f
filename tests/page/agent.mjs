// An agent: buys with the official client, and opens paid streams.
import { wrapFetchWithPaymentFromConfig } from "@x402/fetch";
import { ExactEvmScheme } from "@x402/evm";
import { privateKeyToAccount } from "viem/accounts";
import WebSocket from "ws";

const { PRIVATE_KEY, PUBLIC_URL } = process.env;
const wallet = privateKeyToAccount(PRIVATE_KEY);
const pay = wrapFetchWithPaymentFromConfig(fetch, { schemes: [{ network: "eip155:*", client: new ExactEvmScheme(wallet) }] });

/** Buys a session of a feed. */
export async function buy(feed) {
  const answer = await pay(`${PUBLIC_URL}/feeds/${feed}/session`);
  if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.json();
}

/** Opens a stream of a session; `ended` is the code and reason it ends with. */
export async function stream({ ws_url: url, token }) {
  const socket = new WebSocket(url, { headers: { authorization: `Bearer ${token}` } });
  const ended = new Promise((resolve) => socket.on("close", (code, reason) => resolve({ code, reason: String(reason) })));
  await new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject));
  return { ended, close: () => socket.close() };
}

/** What an unpaid request for a feed is answered. */
export async function ask(feed) {
  const answer = await fetch(`${PUBLIC_URL}/feeds/${feed}/session`);
  return { status: answer.status, body: await answer.json() };
}
