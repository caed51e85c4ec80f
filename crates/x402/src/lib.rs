//! The x402 vocabulary: money, networks, v1 and v2 messages, headers, close codes, the Facilitator trait.
