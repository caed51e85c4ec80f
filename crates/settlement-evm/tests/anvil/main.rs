//! The EVM chain against a real node with the real USDC contract.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers may fail loudly"
)]

mod agreement;
mod connect;
mod fates;
mod nonces;
mod outage;
mod procedure;
mod refund;
mod settle;
mod support;
mod verify;
mod wallets;
