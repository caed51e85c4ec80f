//! The gated WebSocket upgrade and the metered stream behind it.

mod admission;
mod config;
mod error;
mod live;
mod proxy;
mod route;
pub mod upstream;

pub use admission::Admission;
pub use config::ProxyConfig;
pub use error::{ConfigError, HandshakeError, OpenError, RouteError};
pub use live::LiveStreams;
pub use proxy::{Answer, Proxy};
pub use route::{FeedRoute, MAX_STREAM, UpstreamAuth, WhenExhausted};
pub use upstream::UpstreamError;
