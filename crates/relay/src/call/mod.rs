//! `relay.call`: one envelope is one HTTP request to a registered API, answered under its `id`.
//!
//! ```text
//!   envelope ──▶ Call ─┐                                  ┌─▶ result / error frame
//!                      ├─▶ Caller ─▶ Upstream ─▶ the API ─┤
//!   /relay/{api}/… ────┘                                  └─▶ HTTP answer
//! ```

mod address;
mod api;
mod body;
mod caller;
mod envelope;
mod error;
mod fetch;
mod frame;
mod headers;
mod id;
mod path;
mod payment;
mod priced;
mod registry;
mod request;
mod resolver;
mod session;
mod stream;
mod twin;
mod upstream;

pub use api::{Api, ApiError, Apis, PaymentHeader};
pub use error::CallError;
pub use priced::{Price, PriceError};
pub use registry::Payees;

pub(crate) use caller::Caller;
pub(crate) use fetch::Fetched;
pub(crate) use priced::{Cashier, Desk, NotTaken, Settling, offer_timeout_secs};
pub(crate) use registry::{Registry, RegistryError};
pub(crate) use session::Session;
pub(crate) use twin::{PREFIX, twin};
pub(crate) use upstream::Upstream;
