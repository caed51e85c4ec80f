//! The gate over its services: real dev chain, real signatures, ledger in memory.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which allow-unwrap-in-tests does not cover"
)]

mod admin;
mod bill;
mod close;
mod collect;
mod control;
mod dpop;
mod facilitator;
mod frozen;
mod garbage;
mod operator;
mod pay;
mod pending;
mod public;
mod resume;
mod sign_in;
mod socket;
mod support;
mod tariff;
mod top_up;
mod upgrade;
mod vectors;
