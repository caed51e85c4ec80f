//! Hostile clients against the real facilitator: slow, half-open, malformed, flooding, curious. Each is refused or
//! ended within its bound, costs its victim nothing, and keeps nobody else from being served.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test stops at the first surprise"
)]

mod admin;
mod answers;
mod floods;
mod frames;
mod handshakes;
mod heads;
mod slow;
mod vanished;
