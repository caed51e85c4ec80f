//! USDC settlement on Base and other EVM chains: x402's `exact` scheme by EIP-3009, as a
//! [`Chain`](tollwire_settlement::Chain).
//!
//! [`EvmChain`] verifies a payment in the reference facilitator's order, sends the payer's authorization to the
//! USDC contract from one of its settlement accounts, several together when they would wait for each other, and finds
//! out what became of it from receipts *and* the contract's own logs: somebody else may have submitted the same
//! authorization, or the payer may have cancelled it.
//! A node that cannot be asked is a `ChainError`, never evidence.
//!
//! It is **not** a wallet: what its keys sign are calls of `transferWithAuthorization` on the one USDC contract, alone or
//! through Multicall3, the transfers that pay refunds and providers, and a transfer of nothing that fills a stuck nonce.

mod account;
mod chain;
mod config;
mod connect;
mod contract;
mod dispatch;
mod fees;
mod finality;
mod gas;
mod gather;
mod lane;
mod line;
mod multicall;
mod node;
mod nonces;
mod note;
mod observe;
mod outgoing;
mod prepare;
mod purse;
mod rpc;
mod seat;
mod send;
mod sight;
mod turn;
mod verify;
mod wallet;

pub use chain::EvmChain;
pub use config::{EvmConfig, Finality};
pub use tollwire_settlement::ConnectError as Error;
