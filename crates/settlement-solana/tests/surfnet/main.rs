//! The chain against a real node: what is taken, what is refused and why, what becomes of it when things go wrong.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod checks;
mod connect;
mod fates;
mod fork;
mod outage;
mod procedure;
mod refund;
mod settle;
mod support;
