//! Balance metering: one deterministic state machine, the [`Ledger`] trait, and an embedded durable ledger.
//!
//! [`core::apply`] is a pure function of state, command and time. Stores ([`embedded`], [`memory`], and
//! `tollwire-ledger-redis`) only load and save what a command touches; nothing else computes a balance.
//! Refusals are values ([`Outcome`]); an [`Error`] means the store could not answer, and then nothing is given
//! and nothing is taken.

pub mod command;
pub mod core;
pub mod embedded;
pub mod file;
pub mod memory;
pub mod model;
pub mod outcome;
pub mod record;
pub mod spend;

mod backup;
mod clock;
mod error;
mod leases;
mod ledger;
mod payout;

pub use backup::Backup;
pub use clock::{Clock, SystemClock, Timestamp};
pub use command::Command;
pub use error::Error;
pub use ledger::{BoxFuture, Ledger, WORKING_LEASE_MAX, Watched};
pub use outcome::Outcome;
pub use payout::{PayoutCommand, PayoutOutcome};
