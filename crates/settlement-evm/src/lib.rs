//! USDC settlement on Base and other EVM chains: x402's `exact` scheme by EIP-3009, as a
//! [`Chain`](tollwire_settlement::Chain).
//!
//! [`EvmChain`] verifies a payment in the reference facilitator's order, sends the payer's authorization to the
//! USDC contract from one settlement account, and finds out what became of it from receipts *and* the contract's
//! own logs: somebody else may have submitted the same authorization, or the payer may have cancelled it.
//! A node that cannot be asked is a `ChainError`, never evidence.
//!
//! It is **not** a wallet: it signs nothing but calls of `transferWithAuthorization` on the one USDC contract.

mod chain;
mod config;
mod connect;
mod contract;
mod error;
mod node;
mod observe;
mod outgoing;
mod rpc;
mod send;
mod turn;
mod verify;

pub use chain::EvmChain;
pub use config::EvmConfig;
pub use error::Error;
