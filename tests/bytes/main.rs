//! Bytes through the product equal bytes sent: raw frames by hand (`framing`, `closing`), and WebSockets that nobody
//! here wrote, compressed and over TLS (`packages`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod closing;
mod framing;
mod packages;
mod raw;
