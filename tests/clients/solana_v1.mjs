// Buys a session with x402-fetch, which speaks x402 version 1 and writes no memo, and reads the feed.
import { wrapFetchWithPayment, decodeXPaymentResponse } from "x402-fetch";
import { createKeyPairSignerFromBytes } from "@solana/kit";
import { readFrames } from "./frames.mjs";

const { SESSION_URL, PRIVATE_KEY, RPC_URL } = process.env;

const signer = await createKeyPairSignerFromBytes(Uint8Array.from(JSON.parse(PRIVATE_KEY)));
const config = { svmConfig: { rpcUrl: RPC_URL } };
const fetchWithPayment = wrapFetchWithPayment(fetch, signer, undefined, undefined, config);

const response = await fetchWithPayment(SESSION_URL);
const { token, ...bought } = await response.json();
const receipt = decodeXPaymentResponse(response.headers.get("X-PAYMENT-RESPONSE"));
const frames = await readFrames(bought.ws_url, token, 3);
console.log(JSON.stringify({ status: response.status, payer: signer.address, bought, receipt, frames }));
