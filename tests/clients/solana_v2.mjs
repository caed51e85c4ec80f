// Buys a session with @x402/fetch and @x402/svm, which speak x402 version 2, and reads the feed.
import { wrapFetchWithPaymentFromConfig, decodePaymentResponseHeader } from "@x402/fetch";
import { ExactSvmScheme } from "@x402/svm";
import { createKeyPairSignerFromBytes } from "@solana/kit";
import { readFrames } from "./frames.mjs";

const { SESSION_URL, PRIVATE_KEY, RPC_URL } = process.env;

const signer = await createKeyPairSignerFromBytes(Uint8Array.from(JSON.parse(PRIVATE_KEY)));
const fetchWithPayment = wrapFetchWithPaymentFromConfig(fetch, {
  schemes: [{ network: "solana:*", client: new ExactSvmScheme(signer, { rpcUrl: RPC_URL }) }],
});

const response = await fetchWithPayment(SESSION_URL);
const { token, ...bought } = await response.json();
const receipt = decodePaymentResponseHeader(response.headers.get("PAYMENT-RESPONSE"));
const frames = await readFrames(bought.ws_url, token, 3);
console.log(JSON.stringify({ status: response.status, payer: signer.address, bought, receipt, frames }));
