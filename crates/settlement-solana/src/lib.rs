//! USDC settlement on Solana: x402's `exact` scheme, as a [`Chain`](tollwire_settlement::Chain).
//!
//! A payer signs a transaction that moves tokens; [`SolanaChain`] checks it, adds the fee payer's signature, sends it,
//! and finds out what became of it. A transaction lives by its blockhash: once that is gone by what the cluster calls
//! final, and the cluster's history does not know the signature, it is dead, and nothing else counts as proof.
//!
//! The fee payer agrees to nothing but fees, and to those within bounds ([`SolanaConfig`]): no instruction may be given
//! a key of ours, whatever it calls.
//!
//! It is **not** a wallet: it signs payments that passed every check, and refunds out of the deposit wallet.

mod balance;
mod chain;
mod config;
mod connect;
mod hints;
mod mint;
mod node;
mod observe;
mod refund;
mod rpc;
mod send;
mod verify;

pub use chain::SolanaChain;
pub use config::{Commitment, SolanaConfig};
pub use tollwire_settlement::ConnectError as Error;
