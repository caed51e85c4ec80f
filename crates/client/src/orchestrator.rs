//! A person's side of a relay-broker's orchestrator: it says what the person wants, answers payment requests, and hears agents.
//!
//! A client keeps one connection to one session and makes another when that ends, after pauses that grow from 1 s to 30 s, each
//! with a fresh token. What is outstanding comes again by itself; what has come is told once.
//!
//! ```no_run
//! # async fn example() -> Result<(), tollwire_client::orchestrator::Error> {
//! use tollwire_client::orchestrator::{Config, Event, PersonClient};
//!
//! let key = std::env::var("TOLLWIRE_KEY").unwrap_or_default();
//! let mut person = PersonClient::open(Config::new("https://relay.example", key)).await?;
//! person.say("Summarize this article: https://example.com/article").await?;
//! while let Some(event) = person.next().await {
//!     match event {
//!         Event::Asked { amount, agent_name, .. } => {
//!             println!("{agent_name} costs {amount}");
//!             person.approve(None).await?;
//!         }
//!         Event::Said { content, .. } => {
//!             println!("{content}");
//!             person.close().await?;
//!         }
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod desk;
mod event;
mod means;
mod person;

pub use crate::bridge::Error;
pub use event::Event;
pub use means::AutoPay;

use crate::bridge::{self, Backoff, Link, Recent};
use desk::Desk;
use person::Person;
use serde_json::json;
use serde_json::value::RawValue;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// The longest pause between connections.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Where to connect, and as whom.
#[derive(Clone)]
pub struct Config {
    /// The broker, such as `https://relay.example`.
    pub url: String,
    key: Arc<str>,
    /// A session to go on with; `None` begins one.
    pub session: Option<String>,
    /// Whether plain `http:` may be used with hosts other than this machine. The key then travels in the clear.
    pub allow_plain: bool,
    /// Further certificate authorities to trust, as PEM, beside the Mozilla set.
    pub roots_pem: Option<String>,
    /// Pauses between connections.
    pub backoff: Backoff,
}

impl Config {
    /// The defaults, for a person with an API key.
    pub fn new(url: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            key: key.into().into(),
            session: None,
            allow_plain: false,
            roots_pem: None,
            backoff: Backoff::new(Duration::from_secs(1), PAUSE_MAX),
        }
    }
}

impl fmt::Debug for Config {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("url", &self.url)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

/// A person's side of one session. Dropping it closes the connection; the session stays.
pub struct PersonClient {
    session: String,
    desk: Desk,
    commands: mpsc::Sender<String>,
    events: mpsc::Receiver<Event>,
    task: JoinHandle<()>,
}

impl PersonClient {
    /// Begins a session, or goes on with one, and connects to it in the background.
    pub async fn open(config: Config) -> Result<Self, Error> {
        let desk = Desk::new(&config)?;
        let session = match &config.session {
            Some(session) => session.clone(),
            None => desk.begin().await?.session_id,
        };
        let url = format!("{}/ws/user-agent/{session}", desk.base.replacen("http", "ws", 1));
        let mut link = bridge::Config::new(url, "");
        link.allow_plain = config.allow_plain;
        link.roots_pem.clone_from(&config.roots_pem);
        link.backoff = config.backoff;
        let (commands, asked) = mpsc::channel(link.waiting_max.max(1));
        let (told, events) = mpsc::channel(link.waiting_max.max(1));
        let person = Person { desk: desk.clone(), session: session.clone(), told: Recent::default() };
        let task = tokio::spawn(Link::new(link)?.run(person, asked, told));
        Ok(Self { session, desk, commands, events, task })
    }

    /// The session, to go on with later.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// Says what the person wants. While there is no connection it waits for one.
    pub async fn say(&self, content: &str) -> Result<(), Error> {
        self.send(&json!({ "type": "USER_MESSAGE", "data": { "content": content } })).await
    }

    /// Approves what was asked for: from the prepaid account, or with a signed x402 payload of version 2.
    pub async fn approve(&self, payment: Option<&RawValue>) -> Result<(), Error> {
        let data = match payment {
            Some(payment) => json!({ "approved": true, "payment": payment }),
            None => json!({ "approved": true }),
        };
        self.send(&json!({ "type": "PAYMENT_RESPONSE", "data": data })).await
    }

    /// Declines it.
    pub async fn decline(&self) -> Result<(), Error> {
        self.send(&json!({ "type": "PAYMENT_RESPONSE", "data": { "approved": false } })).await
    }

    /// Ends the session.
    pub async fn close(&self) -> Result<(), Error> {
        self.send(&json!({ "type": "CANCEL_SESSION", "data": {} })).await
    }

    async fn send(&self, frame: &serde_json::Value) -> Result<(), Error> {
        self.commands.send(frame.to_string()).await.map_err(|_| Error::Ended)
    }

    /// What happens next; `None` after the end.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }
}

impl fmt::Debug for PersonClient {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PersonClient").field("session", &self.session).finish_non_exhaustive()
    }
}

impl Drop for PersonClient {
    fn drop(&mut self) {
        self.task.abort();
    }
}
