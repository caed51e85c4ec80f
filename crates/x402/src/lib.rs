//! The x402 vocabulary: money, networks, v1 and v2 messages, headers, close codes, the [`Facilitator`] trait.
//!
//! Everything here is a value: no clock, no randomness, no I/O, no runtime. Text from the network is parsed
//! once, at the edge, into these types; what does not parse is an [`Error`] that names the field and the fix.
//!
//! It is **not** a client, a server or a chain library: signatures live in `tollwire-exact`, tokens in
//! `tollwire-session`.
//!
//! ```
//! use tollwire_x402::Usdc;
//! let price: Usdc = "0.01".parse()?;
//! assert_eq!(price.atomic(), 10_000);
//! assert_eq!(price.checked_mul(1_000).map(|sum| sum.to_string()).as_deref(), Some("$10.00"));
//! # Ok::<(), tollwire_x402::Error>(())
//! ```

#[macro_use]
mod macros;

pub mod asset;
pub mod bill;
pub mod close;
mod dialect;
mod error;
pub mod facilitator;
pub mod header;
pub mod id;
pub mod json;
mod money;
mod network;
mod payment;
pub mod reason;
mod unit;
pub mod v1;
pub mod v2;

pub use bill::Bill;
pub use dialect::Dialect;
pub use error::Error;
pub use facilitator::Facilitator;
pub use id::{ApiId, FeedId, PaymentId, SessionId, StreamId};
pub use money::Usdc;
pub use network::{Network, SolanaCluster};
pub use payment::Payment;
pub use unit::Unit;
