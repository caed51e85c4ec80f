// Buys a session with @x402/axios and reads the feed.
import axios from "axios";
import { wrapAxiosWithPaymentFromConfig, decodePaymentResponseHeader } from "@x402/axios";
import { readFrames } from "./frames.mjs";
import { receiptHeader, schemes, signer } from "./schemes.mjs";

const client = wrapAxiosWithPaymentFromConfig(axios.create(), { schemes: schemes() });

const response = await client.get(process.env.SESSION_URL);
const { token, ...bought } = response.data;
const receipt = decodePaymentResponseHeader(response.headers[receiptHeader.toLowerCase()]);
const frames = await readFrames(bought.ws_url, token, 3);
console.log(JSON.stringify({ status: response.status, payer: signer.address, bought, receipt, frames }));
