//! Parts that fail: the store, the chain's node, one of two nodes. Nothing is given, nothing is taken, nothing is lost,
//! and when the part is back so is the service.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test stops at the first surprise"
)]

mod chain;
mod cluster;
mod nodes;
mod store;
