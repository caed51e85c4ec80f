//! Both sides of a messaging bridge: an app that sends events to agents, and an agent that answers them.
//!
//! A client keeps one connection and makes another when that ends, after pauses that grow from 1 s to 60 s; whoever was told
//! to stay away (a revoked token, another connection of the same agent) stays away. Nothing that was handed over is lost
//! meanwhile: an app's events are sent again until they are accepted, under a `client_msg_id` that makes them one event,
//! and an agent's final answers until the broker has confirmed them. What comes twice is told once.
//!
//! ```no_run
//! # async fn example() -> Result<(), tollwire_client::bridge::Error> {
//! use tollwire_client::bridge::{AppClient, AppEvent, Config};
//!
//! let token = std::env::var("PORTAL_TOKEN").unwrap_or_default();
//! let mut app = AppClient::connect(Config::new("wss://relay.example/v1/ws/app", token))?;
//! app.send("athena", "task:42", r#"{"text":"summarize this"}"#).await?;
//! while let Some(event) = app.next().await {
//!     match event {
//!         AppEvent::Token { text, .. } => print!("{text}"),
//!         AppEvent::Reply { content, .. } => {
//!             println!("\n{content}");
//!             break;
//!         }
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod agent;
mod app;
mod backoff;
mod config;
mod link;
mod recent;

pub(crate) use link::{Link, Renewed, Side};
pub(crate) use recent::Recent;

pub use agent::{AgentClient, AgentEvent};
pub use app::{AppClient, AppEvent};
pub use backoff::Backoff;
pub use config::{Config, Jitter};

/// Why a client cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address cannot be used.
    #[error("cannot use this address: {0}")]
    Url(&'static str),
    /// The extra certificate authorities cannot be read.
    #[error("TLS set-up: {0}")]
    Tls(String),
    /// What was to be sent is not JSON.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// The broker does not do what it was asked for.
    #[error("refused: {0}")]
    Refused(String),
    /// The client has ended: its last event said why.
    #[error("the connection has ended for good")]
    Ended,
}
