//! The `exact` scheme's pure half: what a payment says, who signed it, and every check that needs no chain.
//!
//! Clients sign with it, the dev chain and the chain crates check with it, so that both sides agree by
//! construction. There is no I/O, no clock and no randomness here: times and nonces are arguments.
//!
//! [`evm`] is EIP-3009 `transferWithAuthorization` under EIP-712
//! (`specs/schemes/exact/scheme_exact_evm.md` of x402). [`solana`] is the wallets of Solana and the texts they sign.

pub mod evm;
pub mod solana;
