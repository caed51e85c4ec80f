//! The relay-broker through its real binary: many calls over one WebSocket, the same over HTTP, and everything that
//! must not get through.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod asp;
mod bridge;
mod calls;
mod clients;
mod commands;
mod draining;
mod forwarding;
mod orchestrator;
mod pages;
mod paying;
mod prepaid;
mod priced;
mod registered;
mod rig;
mod sockets;
mod streaming;
mod twin;
