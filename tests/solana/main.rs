//! Sessions that are paid on Solana: by clients that nobody here wrote and by ours, against a real node.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod facilitator;
mod ours;
mod world;
