//! One stream's account with a ledger: units held ahead in leases, spent, posted, given back.
//!
//! Whoever moves a paid stream, a proxy or a provider's own server, opens it here ([`Meter::open`]), lets nothing pass
//! that its [`Gauge`] was not granted, and runs [`Charge::keep`] beside it, which asks the ledger for more about once a
//! second, gives back what an idle stream does not need or another one is short of, and returns when the stream must
//! end, with the code to end it with.
//!
//! ```text
//!   open: Hold ──▶ (dial) ──▶ capture: Post ──▶ served ──▶ keep: Extend, Extend, ... ──▶ settle: End
//!                    │ refused                    │ ended at once                          Void, Reverse
//!                    ▼                            ▼
//!                  Void                         Reverse
//! ```
//!
//! Nothing is served that is not held first. A lease runs on this process's monotonic clock from before the request
//! that took it, and the store lets it lapse a margin later by its own, so a process that stood still serves nothing
//! for which its units may have gone to somebody else. The most that a crash can give away or take is one lease.
//!
//! It is **not** a data path: it never sees a byte.

mod charge;
mod config;
mod error;
mod gauge;
mod keep;
mod live;
mod meter;
mod pacer;
mod signal;
mod store;
mod telemetry;

pub use charge::Charge;
pub use config::{MeterConfig, Terms};
pub use error::Refusal;
pub use gauge::Gauge;
pub use keep::Notices;
pub use live::{LiveStreams, Resident};
pub use meter::{Meter, Order};
