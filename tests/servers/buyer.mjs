// Buys an answer with @x402/fetch, as often as it is told, and tells what came back.
import { decodePaymentResponseHeader, wrapFetchWithPaymentFromConfig } from "@x402/fetch";
import { ExactEvmScheme } from "@x402/evm";
import { privateKeyToAccount } from "viem/accounts";

const { URL: address, PRIVATE_KEY, TIMES } = process.env;

const account = privateKeyToAccount(PRIVATE_KEY);
const fetchWithPayment = wrapFetchWithPaymentFromConfig(fetch, {
  schemes: [{ network: "eip155:*", client: new ExactEvmScheme(account) }],
});

const told = [];
for (let time = 0; time < Number(TIMES); time++) {
  const response = await fetchWithPayment(address);
  const header = response.headers.get("PAYMENT-RESPONSE");
  const body = await response.json().catch(() => null);
  told.push({ status: response.status, body, settled: header && decodePaymentResponseHeader(header) });
}
console.log(JSON.stringify(told));
