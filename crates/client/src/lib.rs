//! The agent's side: pay a 402, open the stream, renew at close 4008; HTTP client of any x402 facilitator.
