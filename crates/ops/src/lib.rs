//! For the binaries: configuration files, secrets, console, manual pages, tracing, metrics, threads, listeners, signals,
//! drain.
//!
//! It holds no rule of the product: libraries never depend on it, and another host may replace all of it.

pub mod config;
pub mod console;
pub mod duration;
mod error;
pub mod listener;
pub mod logging;
pub mod manual;
pub mod metrics;
pub mod runtime;
pub mod secret;
pub mod shutdown;
pub mod store;

pub use error::Error;
