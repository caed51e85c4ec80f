// Buys a session with @x402/fetch, which speaks x402 version 2, and reads the feed.
import { wrapFetchWithPaymentFromConfig, decodePaymentResponseHeader } from "@x402/fetch";
import { ExactEvmScheme } from "@x402/evm";
import { privateKeyToAccount } from "viem/accounts";
import { readFrames } from "./frames.mjs";

const { SESSION_URL, PRIVATE_KEY } = process.env;

const account = privateKeyToAccount(PRIVATE_KEY);
const fetchWithPayment = wrapFetchWithPaymentFromConfig(fetch, {
  schemes: [{ network: "eip155:*", client: new ExactEvmScheme(account) }],
});

const response = await fetchWithPayment(SESSION_URL);
const { token, ...bought } = await response.json();
const receipt = decodePaymentResponseHeader(response.headers.get("PAYMENT-RESPONSE"));
const frames = await readFrames(bought.ws_url, token, 3);
console.log(JSON.stringify({ status: response.status, payer: account.address, bought, receipt, frames }));
