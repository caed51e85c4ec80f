//! An agent's side of sessions with agents of other organisations (ASP).
//!
//! An [`Account`] is an agent at a broker: it gets access tokens, begins sessions, and exports them. A [`SessionClient`] is its
//! side of one session. It makes a new connection when one ends, after pauses of 1, 2, 4, 8 ... 30 s, each with a fresh DPoP
//! proof, and goes on behind the last message that it has told: nothing comes twice, and nothing is left out silently. What was
//! said is sent again until it has its answer, under an `id` that makes it one message. Heartbeats are answered, and access
//! tokens replaced before they end.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use tollwire_asp::Performative;
//! use tollwire_client::asp::{Account, Config, Event, SessionClient};
//!
//! let (id, secret) = ("oac_acme", std::env::var("ACME_SECRET")?);
//! let account = Account::new(Config::new("https://relay.example", id, secret)?)?;
//! let session = account.begin(&["agent://cloudprime.io/gpu/beta".parse()?]).await?;
//! let mut session = SessionClient::connect(&account, &session, 0)?;
//! let body = serde_json::json!({"proposalId": "p", "type": "session-invitation", "subject": "GPUs", "terms": {}});
//! session.say(Performative::Propose, &body).await?;
//! while let Some(event) = session.next().await {
//!     if let Event::Message(message) = event {
//!         println!("{}: {} {}", message.sequence, message.performative, message.body());
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod account;
mod config;
mod download;
mod event;
mod link;
mod progress;
mod session;
mod token;

pub use account::{Account, View};
pub use config::Config;
pub use download::{Download, download};
pub use event::Event;
pub use session::SessionClient;

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Over HTTP, or before a connection was made.
    #[error(transparent)]
    Http(#[from] crate::Error),
    /// The client has ended: its last event said why.
    #[error("the connection has ended for good")]
    Ended,
}
