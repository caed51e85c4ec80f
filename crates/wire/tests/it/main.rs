//! The wire crate from outside: scanner, bytes, closes and limits.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod bytes;
mod close_places;
mod closing;
mod common;
mod limits;
mod scanner;
mod tls;
