//! The [`Chain`] trait, the one settlement procedure, the reconciler, the cost model and the dev chain.
//!
//! A payment has three fates, never a boolean: credited, abandoned, still pending. The order is always
//! `Record -> verify -> prepare -> Attach -> broadcast -> observe -> Credit | Abandon`, and everything that can
//! be in doubt after a crash was durable before it left the house.

pub mod chain;

pub use chain::{Chain, ChainError, ChainInfo, Identified, Observation, Refusal};
