//! USDC settlement on Base and other EVM chains (EIP-3009), on alloy.
