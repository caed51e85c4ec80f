//! For the binaries that settle in process: the keys `store` and `[[chain]]` of their files, opened and connected.
//!
//! Configuration and wiring only, once for all of them; it holds no rule of the product.

mod chain;
mod connect;
mod error;
mod ledger;
mod rules;
mod solana;
mod token;

pub use chain::{Chain, EvmChain, SolanaChain};
pub use connect::{Lease, connect, described};
pub use error::Error;
pub use ledger::{OpenLedger, RedisDemands, open_ledger};
pub use rules::{Exposure, check};
pub use token::{Keys, Token};
