//! For the binaries: configuration files, secrets, tracing, metrics, listeners, signals, drain.
//!
//! It holds no rule of the product: libraries never depend on it, and another host may replace all of it.

pub mod config;
pub mod duration;
mod error;
pub mod listener;
pub mod logging;
pub mod metrics;
pub mod secret;
pub mod shutdown;

pub use error::Error;
