//! The EVM chain against a real node with the real USDC contract.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers may fail loudly"
)]

mod agreement;
mod batch;
mod connect;
mod fates;
mod faults;
mod gas;
mod griefing;
mod load;
mod nonces;
mod outage;
mod payout;
mod pool;
mod procedure;
mod refund;
mod reorg;
mod rpc;
mod settle;
mod support;
mod verify;
mod wallets;
