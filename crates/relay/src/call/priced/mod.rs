//! Calls that we price: asked for with a 402 of ours, paid once, collected anywhere.
//!
//! ```text
//! payment ─▶ claim its identity ─▶ verify ─▶ ask the API ─▶ keep the answer ─▶ settle ─▶ keep the settlement ─▶ content
//!             (row: executing)                                (row: settling)              (row: settled)
//! ```
//!
//! A payment is known by what its chain takes only once, whatever request it came with. Its row says how far it is; each
//! arrow that changes the row is one round trip, made only if the row is still the one that was read. What is settled can
//! be collected again by whoever has what the chain does not show. What is in doubt is answered by 504, never by another
//! bill, and asked after until it is known.
//!
//! A prepaid account pays the same way: its charge is held where a payment is verified, and captured where it is settled.

mod account;
mod bill;
mod desk;
mod direct;
mod follow;
mod held;
mod judge;
mod offers;
mod owned;
mod presented;
mod price;
mod recall;
mod reconcile;
mod row;
mod run;
mod sign_in;

pub use price::{Price, PriceError};

pub(crate) use desk::Desk;
pub(crate) use direct::{Cashier, NotTaken, Settling};
pub(super) use held::Notes;
pub(super) use recall::Recall;
pub(crate) use run::offer_timeout_secs;
