//! The `exact` scheme on Solana: the official client's bytes, every check with its reason, and bytes from nowhere.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod check;
mod draft;
mod garbage;
mod vector;
