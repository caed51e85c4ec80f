//! Starts the real parts that tests need: Redis, an EVM node with the real USDC contract, sample feeds, a fault link.
