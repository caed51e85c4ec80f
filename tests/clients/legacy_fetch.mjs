// Buys a session with x402-fetch, which speaks x402 version 1 alone and on Solana writes no memo, and reads the feed.
import { wrapFetchWithPayment, decodeXPaymentResponse } from "x402-fetch";
import { readFrames } from "./frames.mjs";
import { receiptHeader, signer } from "./schemes.mjs";

const { SESSION_URL, RPC_URL } = process.env;

const config = RPC_URL ? { svmConfig: { rpcUrl: RPC_URL } } : undefined;
const fetchWithPayment = wrapFetchWithPayment(fetch, signer, undefined, undefined, config);

const response = await fetchWithPayment(SESSION_URL);
const { token, ...bought } = await response.json();
const receipt = decodeXPaymentResponse(response.headers.get(receiptHeader));
const frames = await readFrames(bought.ws_url, token, 3);
console.log(JSON.stringify({ status: response.status, payer: signer.address, bought, receipt, frames }));
