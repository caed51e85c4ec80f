// Somebody's API, made with @x402/express: a paid answer and a free one, settled by the facilitator it is told.
import express from "express";
import { HTTPFacilitatorClient } from "@x402/core/server";
import { ExactEvmScheme } from "@x402/evm/exact/server";
import { paymentMiddleware, x402ResourceServer } from "@x402/express";

const { FACILITATOR_URL, API_KEY, NETWORK, PAY_TO, PRICE } = process.env;

const headers = { Authorization: `Bearer ${API_KEY}` };
const facilitator = new HTTPFacilitatorClient({
  url: FACILITATOR_URL,
  createAuthHeaders: async () => ({ verify: headers, settle: headers, supported: headers }),
});
const resources = new x402ResourceServer(facilitator).register(NETWORK, new ExactEvmScheme());
const accepts = { scheme: "exact", price: PRICE, network: NETWORK, payTo: PAY_TO };

const app = express();
app.use(paymentMiddleware({ "GET /weather": { accepts, description: "Weather" } }, resources));
app.get("/weather", (_, response) => response.json({ weather: "fair" }));
app.get("/", (_, response) => response.json({ free: true }));
const server = app.listen(0, "127.0.0.1", () => console.log(`listening on ${server.address().port}`));
