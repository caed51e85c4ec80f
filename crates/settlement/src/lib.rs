//! The [`Chain`] trait, the one settlement procedure, the reconciler, the cost model and the dev chain.
//!
//! A payment has three fates, never a boolean: credited, abandoned, still pending. The order is always
//! `verify -> Record -> prepare -> Attach -> broadcast -> observe -> Credit | Abandon`, and everything that can
//! be in doubt after a crash was durable before it left the house. [`Settler`] is that procedure; it knows no
//! chain by name. [`LocalFacilitator`] puts the x402 facilitator interface in front of it.

pub mod chain;
pub mod cost_model;
pub mod dev;
pub mod dues;

mod config;
mod error;
mod facilitator;
mod settled;
mod settler;

pub use chain::{Chain, ChainError, ChainInfo, Identified, Observation, Refusal};
pub use config::SettlerConfig;
pub use error::SettleError;
pub use facilitator::{Allowlist, LocalFacilitator, WAIT};
pub use settled::Settled;
pub use settler::{Reconciler, Settler, VALIDITY_SLACK_SECS};
