//! Real parts for tests, each started on a free port of 127.0.0.1 and gone when its value is dropped.
//!
//! Nothing here imitates: the EVM node is anvil with Circle's own USDC contract, the Solana node runs the cluster's
//! own programs, Redis is Redis, the sample feed is a WebSocket server on a socket. What must be installed first
//! ([`tools`]) lives in `target/testkit`; a missing part is an error that says `run cargo xtask setup`, never a skipped
//! test.

pub mod clock;
pub mod evm;
pub mod feed;
pub mod link;
pub mod process;
pub mod redis;
pub mod solana;
pub mod tools;

mod error;
mod rpc;

pub use error::Error;
