// How the npm packages @x402/evm and @x402/svm pay: by the key in PRIVATE_KEY, in the x402 version of X402_VERSION, on
// EVM chains, or on Solana if RPC_URL names a node of it.
import { ExactEvmScheme } from "@x402/evm";
import { ExactEvmSchemeV1 } from "@x402/evm/v1";
import { ExactSvmScheme } from "@x402/svm";
import { ExactSvmSchemeV1 } from "@x402/svm/v1";
import { createKeyPairSignerFromBytes } from "@solana/kit";
import { privateKeyToAccount } from "viem/accounts";

const { PRIVATE_KEY, RPC_URL, X402_VERSION } = process.env;

export const signer = RPC_URL
  ? await createKeyPairSignerFromBytes(Uint8Array.from(JSON.parse(PRIVATE_KEY)))
  : privateKeyToAccount(PRIVATE_KEY);

const first = (networks, client) => networks.map((network) => ({ network, client, x402Version: 1 }));

export const schemes = () => {
  if (X402_VERSION === "2") {
    return RPC_URL
      ? [{ network: "solana:*", client: new ExactSvmScheme(signer, { rpcUrl: RPC_URL }) }]
      : [{ network: "eip155:*", client: new ExactEvmScheme(signer) }];
  }
  return RPC_URL
    ? first(["solana", "solana-devnet"], new ExactSvmSchemeV1(signer, { rpcUrl: RPC_URL }))
    : first(["base", "base-sepolia"], new ExactEvmSchemeV1(signer));
};

// The header with the receipt, in each version.
export const receiptHeader = X402_VERSION === "2" ? "PAYMENT-RESPONSE" : "X-PAYMENT-RESPONSE";
