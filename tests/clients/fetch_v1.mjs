// Buys a session with x402-fetch, which speaks x402 version 1, and reads the feed.
import { wrapFetchWithPayment, decodeXPaymentResponse } from "x402-fetch";
import { privateKeyToAccount } from "viem/accounts";
import { readFrames } from "./frames.mjs";

const { SESSION_URL, PRIVATE_KEY } = process.env;

const account = privateKeyToAccount(PRIVATE_KEY);
const fetchWithPayment = wrapFetchWithPayment(fetch, account);

const response = await fetchWithPayment(SESSION_URL);
const { token, ...bought } = await response.json();
const receipt = decodeXPaymentResponse(response.headers.get("X-PAYMENT-RESPONSE"));
const frames = await readFrames(bought.ws_url, token, 3);
console.log(JSON.stringify({ status: response.status, payer: account.address, bought, receipt, frames }));
