// Buys a session with @x402/fetch and tops it up by the same client.
import { wrapFetchWithPaymentFromConfig, decodePaymentResponseHeader } from "@x402/fetch";
import { ExactEvmScheme } from "@x402/evm";
import { privateKeyToAccount } from "viem/accounts";

const { SESSION_URL, TOP_UP_URL, PRIVATE_KEY } = process.env;

const account = privateKeyToAccount(PRIVATE_KEY);
const fetchWithPayment = wrapFetchWithPaymentFromConfig(fetch, {
  schemes: [{ network: "eip155:*", client: new ExactEvmScheme(account) }],
});

const bought = await (await fetchWithPayment(SESSION_URL)).json();
const response = await fetchWithPayment(TOP_UP_URL, {
  method: "POST",
  headers: { authorization: `Bearer ${bought.token}` },
});
const added = await response.json();
const receipt = decodePaymentResponseHeader(response.headers.get("PAYMENT-RESPONSE"));
console.log(JSON.stringify({ status: response.status, bought: bought.session, added: added.session, receipt }));
