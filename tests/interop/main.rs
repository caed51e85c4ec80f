//! Every official client, as it comes, on every chain and in every version of x402 that it speaks: buys a session, is
//! charged once, and opens a stream. The README's table says what is shown here. The programs are in `clients/`.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod base;
mod client;
mod dev;
mod facilitator;
mod purchase;
mod solana;
