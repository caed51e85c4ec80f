// The reference facilitator, from @x402/core and @x402/evm as they come, behind the three routes of the specification.
import { createServer } from "node:http";
import { x402Facilitator } from "@x402/core/facilitator";
import { toFacilitatorEvmSigner } from "@x402/evm";
import { registerExactEvmScheme } from "@x402/evm/exact/facilitator";
import { createWalletClient, http, publicActions } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { baseSepolia } from "viem/chains";

const { RPC_URL, PRIVATE_KEY } = process.env;

const account = privateKeyToAccount(PRIVATE_KEY);
const client = createWalletClient({ account, chain: baseSepolia, transport: http(RPC_URL), pollingInterval: 50 });
const signer = toFacilitatorEvmSigner({ ...client.extend(publicActions), address: account.address });
const facilitator = registerExactEvmScheme(new x402Facilitator(), { signer, networks: "eip155:84532" });

const routes = {
  "POST /verify": ({ paymentPayload, paymentRequirements }) => facilitator.verify(paymentPayload, paymentRequirements),
  "POST /settle": ({ paymentPayload, paymentRequirements }) => facilitator.settle(paymentPayload, paymentRequirements),
  "GET /supported": () => facilitator.getSupported(),
};

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  let [status, answer] = [404, {}];
  try {
    const route = routes[`${request.method} ${request.url}`];
    if (route) {
      const body = Buffer.concat(chunks).toString();
      [status, answer] = [200, await route(request.method === "POST" ? JSON.parse(body) : {})];
    }
  } catch (error) {
    // As the reference server of the specification does: what its libraries throw is its own failure.
    [status, answer] = [500, { error: error instanceof Error ? error.message : String(error) }];
  }
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
});
server.listen(0, "127.0.0.1", () => console.log(`listening on ${server.address().port}`));
