//! The wire crate from outside: scanner, bytes, closes, limits, metering and messages of our own.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod bytes;
mod close_places;
mod closing;
mod common;
mod intercepting;
mod limits;
mod metering;
mod metering_close;
mod metering_oracle;
mod saying;
mod scanner;
mod tls;
