//! The one flow: quote, pay, open, admit, revoke; the feed registry; the facilitator API as a tower service.
//!
//! [`Gate`] is the flow as plain async functions over a ledger, a settler and a proxy. [`http::GateService`] and
//! [`http::AdminService`] are its thin faces: tower services over any `http::Request`, one file a route.
//!
//! It holds no rule of money (the ledger does), none of chains (settlement does), and moves no frame (the proxy
//! does). What is decided here: what is offered, which offer a payment takes, who may collect it again, and who is
//! let through.

pub mod feed;
pub mod http;
pub mod offers;
pub mod overview;
pub mod payment;
pub mod quote;
pub mod rfc3339;
pub mod siwx;
pub mod statements;
pub mod totals;

mod account;
mod caps;
mod closing;
mod config;
mod customers;
mod error;
mod gate;
mod holder;
mod in_band;
mod keys;
mod pay;
mod receipt;
mod resume;
mod settlements;
mod sign_in;
mod sweep;
mod token;

mod view;

pub use account::{Captured, Charge, ChargeError};
pub use closing::{Closure, Stage};
pub use config::{Caps, GateConfig, OFFER_GRACE};
pub use customers::{Account, AccountId, Customers, KeyHash};
pub use error::{Error, Unpaid};
pub use feed::{Feed, FeedError, FeedRegistry, FeedStore, RestoreError};
pub use gate::{Gate, Parts, TOKEN_LEEWAY};
pub use pay::Paid;
pub use sweep::Sweeper;
pub use token::Token;
pub use view::SessionView;
