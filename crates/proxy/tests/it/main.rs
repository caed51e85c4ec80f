//! The proxy from outside: real sockets, a real HTTP server in front, real upstreams behind.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod agent;
mod bytes;
mod chaos;
mod embedding;
mod faults;
mod handshakes;
mod lives;
mod metering;
mod node;
mod opens;
mod refusals;
mod reopens;
mod tls;
mod upstream;
