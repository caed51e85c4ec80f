// Buys a session with @x402/fetch and reads the feed.
import { wrapFetchWithPaymentFromConfig, decodePaymentResponseHeader } from "@x402/fetch";
import { readFrames } from "./frames.mjs";
import { receiptHeader, schemes, signer } from "./schemes.mjs";

const fetchWithPayment = wrapFetchWithPaymentFromConfig(fetch, { schemes: schemes() });

const response = await fetchWithPayment(process.env.SESSION_URL);
const { token, ...bought } = await response.json();
const receipt = decodePaymentResponseHeader(response.headers.get(receiptHeader));
const frames = await readFrames(bought.ws_url, token, 3);
console.log(JSON.stringify({ status: response.status, payer: signer.address, bought, receipt, frames }));
