//! The [`Chain`] trait, the one settlement procedure, the reconciler, refunds and payouts, the books, the cost model
//! and the dev chain.
//!
//! A payment has three fates, never a boolean: credited, abandoned, still pending. The order is always
//! `verify -> Record -> prepare -> Attach -> broadcast -> observe -> Credit | Abandon`, and everything that can
//! be in doubt after a crash was durable before it left the house. [`Settler`] is that procedure; it knows no
//! chain by name. [`LocalFacilitator`] puts the x402 facilitator interface in front of it.
//!
//! It is **not** a wallet and not a chain client: signing and sending belong to the [`Chain`], balances to the
//! ledger.
//!
//! ```
//! use std::sync::Arc;
//! use tollwire_ledger::{Clock, SystemClock, memory::MemoryLedger};
//! use tollwire_settlement::{Allowlist, LocalFacilitator, Settler, SettlerConfig, dev::DevChain};
//! use tollwire_x402::Facilitator;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let clock: Arc<dyn Clock> = Arc::new(SystemClock);
//! let ledger = Arc::new(MemoryLedger::new(clock.clone()));
//! let chain = Arc::new(DevChain::new(clock.clone()));
//! let settler = Arc::new(Settler::new(ledger, vec![chain], clock, SettlerConfig::named("only")));
//! let _reconciler = settler.spawn_reconciler();
//! let facilitator = LocalFacilitator::new(settler, Allowlist::dev_only());
//! assert_eq!(facilitator.supported().await?.kinds.len(), 2); // v1 and v2
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod books;
pub mod chain;
pub mod cost_model;
pub mod dev;
pub mod dues;

mod config;
mod connect_error;
mod deposits;
mod error;
mod facilitator;
mod settled;
mod settler;

pub use chain::{Chain, ChainError, ChainInfo, Delivery, Firmness, Identified, Observation, Purse, Refusal};
pub use config::{GasBearer, PayoutTerms, SettlerConfig};
pub use connect_error::ConnectError;
pub use error::SettleError;
pub use facilitator::{
    Allowlist, ChangingFacilitator, LocalFacilitator, Minimum, PAYMENT_IDENTIFIER, QUOTA_WINDOW, Rate, Terms,
    WAIT,
};
pub use settled::Settled;
pub use settler::{Cover, PayoutSchedule, Reconciler, Round, Settler, VALIDITY_SLACK_SECS};
