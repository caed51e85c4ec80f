// Buys a session with x402-axios, which speaks x402 version 1 alone and has no spending cap, and reads the feed.
import axios from "axios";
import { withPaymentInterceptor, decodeXPaymentResponse } from "x402-axios";
import { readFrames } from "./frames.mjs";
import { receiptHeader, signer } from "./schemes.mjs";

const { SESSION_URL, RPC_URL } = process.env;

const config = RPC_URL ? { svmConfig: { rpcUrl: RPC_URL } } : undefined;
const client = withPaymentInterceptor(axios.create(), signer, undefined, config);

const response = await client.get(SESSION_URL);
const { token, ...bought } = response.data;
const receipt = decodeXPaymentResponse(response.headers[receiptHeader.toLowerCase()]);
const frames = await readFrames(bought.ws_url, token, 3);
console.log(JSON.stringify({ status: response.status, payer: signer.address, bought, receipt, frames }));
