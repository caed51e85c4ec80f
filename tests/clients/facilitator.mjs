// Uses our facilitator as any x402 resource server does, through @x402/core, and tells what it answered.
import { x402Client } from "@x402/core/client";
import { HTTPFacilitatorClient } from "@x402/core/http";
import { ExactEvmScheme } from "@x402/evm";
import { privateKeyToAccount } from "viem/accounts";

const { FACILITATOR_URL, PRIVATE_KEY, REQUIREMENTS, SERVED_WALLET, OTHER_WALLET } = process.env;

const facilitator = new HTTPFacilitatorClient({ url: FACILITATOR_URL });
const agent = new x402Client().register("eip155:*", new ExactEvmScheme(privateKeyToAccount(PRIVATE_KEY)));
const requirements = JSON.parse(REQUIREMENTS);
const dearer = { ...requirements, amount: String(BigInt(requirements.amount) + 1n) };

const pay = (accepted) =>
  agent.createPaymentPayload({
    x402Version: 2,
    resource: { url: "https://api.example.com/weather", description: "Weather", mimeType: "application/json" },
    accepts: [accepted],
  });

// The client throws on answers that are not 200; what it throws is an answer too.
const answered = async (answer) => answer.catch((error) => ({ thrown: error.name, ...error }));

const payment = await pay(requirements);
const told = {
  supported: await answered(facilitator.getSupported()),
  verified: await answered(facilitator.verify(payment, requirements)),
  verifiedForMore: await answered(facilitator.verify(payment, dearer)),
  settledForMore: await answered(facilitator.settle(payment, dearer)),
  settled: await answered(facilitator.settle(payment, requirements)),
  verifiedAgain: await answered(facilitator.verify(payment, requirements)),
  settledAgain: await answered(facilitator.settle(payment, requirements)),
  verifiedForServed: await answered(facilitator.verify(payment, { ...requirements, payTo: SERVED_WALLET })),
  verifiedForOther: await answered(facilitator.verify(payment, { ...requirements, payTo: OTHER_WALLET })),
};
console.log(JSON.stringify(told));
