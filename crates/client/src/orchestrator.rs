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

use crate::bridge::{self, Backoff, Link, Recent, Renewed, Side};
use crate::endpoint::Endpoint;
use crate::http_client::HttpClient;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tollwire_x402::Usdc;
use tollwire_x402::close::CloseCode;

pub use bridge::Error;

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

/// What a person is told.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A connection is open, the first or another.
    Connected,
    /// An agent, or the orchestrator itself, says something.
    Said {
        /// What.
        content: String,
        /// Whose id.
        agent_id: String,
        /// Whose name.
        agent_name: String,
    },
    /// Something costs money: [`PersonClient::approve`] or [`PersonClient::decline`] it.
    Asked {
        /// How much.
        amount: Usdc,
        /// Who is to be paid.
        agent_name: String,
        /// For doing what.
        action: String,
        /// The same, for people.
        description: String,
        /// The request's name.
        payment_id: String,
        /// Until when, as RFC 3339 text.
        expires_at: String,
        /// What a signed payment answers, if one is taken: the x402 object of version 2.
        payment_required: Option<Box<RawValue>>,
    },
    /// Something was paid, because it was approved, or by auto-pay.
    Paid {
        /// How much.
        amount: Usdc,
        /// The transaction.
        transaction: String,
        /// `balance` if it was the prepaid account's deposit, `credit` if it paid for another job in vain.
        source: Option<String>,
    },
    /// Something went wrong, or was not taken.
    Failed {
        /// Such as `agent_unavailable`.
        error_type: String,
        /// For people.
        message: String,
    },
    /// The session is over.
    Closed {
        /// Why.
        reason: String,
    },
    /// The connection has ended for good: the last event.
    Ended {
        /// The close code.
        code: u16,
    },
}

/// A person's side of one session. Dropping it closes the connection; the session stays.
#[derive(Debug)]
pub struct PersonClient {
    session: String,
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
        let person = Person { desk, session: session.clone(), told: Recent::default() };
        let task = tokio::spawn(Link::new(link)?.run(person, asked, told));
        Ok(Self { session, commands, events, task })
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

impl Drop for PersonClient {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where sessions and their tokens are had.
struct Desk {
    http: HttpClient,
    /// Without a slash at its end.
    base: String,
    bearer: HeaderValue,
}

#[derive(Deserialize)]
struct Opened {
    session_id: String,
    token: String,
}

impl Desk {
    fn new(config: &Config) -> Result<Self, Error> {
        let tls = |error: crate::Error| Error::Tls(error.to_string());
        let wrong = |_| Error::Url("write https://HOST of a relay-broker");
        let base = Endpoint::http(&config.url, config.allow_plain).map_err(wrong)?;
        let mut of_http = crate::Config::new([]);
        of_http.roots_pem.clone_from(&config.roots_pem);
        let bearer = HeaderValue::try_from(format!("Bearer {}", config.key));
        let mut bearer = bearer.map_err(|_| Error::Url("the key cannot stand in a header"))?;
        bearer.set_sensitive(true);
        let base = base.as_str().trim_end_matches('/').to_owned();
        Ok(Self { http: HttpClient::new(&of_http).map_err(tls)?, base, bearer })
    }

    /// Asks; the outer error means that there was no answer.
    async fn post(&self, path: &str) -> Result<Result<Opened, StatusCode>, Error> {
        let request = Request::post(format!("{}{path}", self.base))
            .header(AUTHORIZATION, self.bearer.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::<Bytes>::default())
            .map_err(|_| Error::Url("it cannot be asked for"))?;
        let answer = self.http.send(request).await.map_err(|error| Error::Refused(error.to_string()))?;
        if !answer.status.is_success() {
            return Ok(Err(answer.status));
        }
        let opened = serde_json::from_slice(&answer.body);
        opened.map(Ok).map_err(|_| Error::Refused("the answer cannot be read".to_owned()))
    }

    async fn begin(&self) -> Result<Opened, Error> {
        self.post("/api/sessions").await?.map_err(|status| Error::Refused(format!("status {status}")))
    }
}

/// What a person's client remembers between connections.
struct Person {
    desk: Desk,
    session: String,
    /// Messages that were told.
    told: Recent,
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Data {
    content: String,
    agent_id: String,
    agent_name: String,
    message_id: Option<String>,
    amount_usdc: String,
    action: String,
    description: String,
    payment_id: String,
    expires_at: String,
    payment_required: Option<Box<RawValue>>,
    tx_hash: String,
    source: Option<String>,
    error_type: String,
    message: String,
    reason: String,
}

impl Side for Person {
    type Command = String;
    type Event = Event;

    async fn renew(&mut self) -> Renewed {
        match self.desk.post(&format!("/api/sessions/{}/token", self.session)).await {
            Ok(Ok(opened)) => Renewed::With(opened.token),
            Ok(Err(StatusCode::UNAUTHORIZED)) => Renewed::Never(CloseCode::Unauthorized.code()),
            Ok(Err(StatusCode::NOT_FOUND)) => Renewed::Never(CloseCode::SessionNotFound.code()),
            Ok(Err(_)) | Err(_) => Renewed::Later,
        }
    }

    fn opened(&mut self) -> Vec<String> {
        Vec::new()
    }

    fn asked(&mut self, command: String) -> String {
        command
    }

    fn heard(&mut self, text: &str) -> (Option<String>, Option<Event>) {
        (None, self.event(text))
    }

    fn connected() -> Event {
        Event::Connected
    }

    fn ended(code: u16) -> Event {
        Event::Ended { code }
    }
}

impl Person {
    fn event(&mut self, text: &str) -> Option<Event> {
        let frame: Frame<'_> = serde_json::from_str(text).ok()?;
        let data: Data = serde_json::from_str(frame.data.get()).ok()?;
        if data.message_id.as_ref().is_some_and(|id| !self.told.note(id)) {
            return None;
        }
        let again =
            frame.kind == "PAYMENT_SUCCESSFUL" && !self.told.note(&format!("paid {}", data.payment_id));
        if again {
            return None;
        }
        Some(match frame.kind.as_str() {
            "AGENT_MESSAGE" => {
                Event::Said { content: data.content, agent_id: data.agent_id, agent_name: data.agent_name }
            }
            "PAYMENT_REQUEST" => Event::Asked {
                amount: data.amount_usdc.parse().ok()?,
                agent_name: data.agent_name,
                action: data.action,
                description: data.description,
                payment_id: data.payment_id,
                expires_at: data.expires_at,
                payment_required: data.payment_required,
            },
            "PAYMENT_SUCCESSFUL" => Event::Paid {
                amount: data.amount_usdc.parse().ok()?,
                transaction: data.tx_hash,
                source: data.source,
            },
            "ERROR" => Event::Failed { error_type: data.error_type, message: data.message },
            "SESSION_CLOSED" => Event::Closed { reason: data.reason },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_told_once() {
        let desk = Desk::new(&Config::new("https://relay.example", "k")).unwrap();
        let mut person = Person { desk, session: "s".into(), told: Recent::default() };
        let said = r#"{"type":"AGENT_MESSAGE","data":{"content":"hi","agent_id":"a","agent_name":"A","message_id":"m"}}"#;
        assert!(matches!(person.event(said), Some(Event::Said { content, .. }) if content == "hi"));
        assert!(person.event(said).is_none(), "the same message");
        let asked = r#"{"type":"PAYMENT_REQUEST","data":{"amount_usdc":"0.05","agent_name":"A","action":"a","description":"d","payment_required":{"x402Version":2}}}"#;
        for _ in 0..2 {
            let event = person.event(asked);
            assert!(matches!(event, Some(Event::Asked { amount, .. }) if amount.atomic() == 50_000));
        }
        let paid =
            r#"{"type":"PAYMENT_SUCCESSFUL","data":{"amount_usdc":"0.05","tx_hash":"0x1","payment_id":"p"}}"#;
        assert!(person.event(paid).is_some() && person.event(paid).is_none());
        assert!(person.event("{}").is_none());
        assert!(!format!("{:?}", Config::new("https://relay.example", "s3cret")).contains("s3cret"));
        assert!(Desk::new(&Config::new("http://relay.example", "k")).is_err(), "a key in the clear");
    }
}
