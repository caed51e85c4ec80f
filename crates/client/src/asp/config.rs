//! How an agent of sessions behaves.

use crate::bridge::{Backoff, Jitter};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tollwire_session::Algorithm;
use tollwire_session::dpop::DpopKey;

/// Where to connect, as whom, and how patient to be.
#[derive(Clone)]
pub struct Config {
    /// The broker, `https://HOST`.
    pub base_url: String,
    /// What the broker calls itself (its `public_url`), if it is reached by another address, such as a forwarder's: proofs are
    /// made for this one.
    pub public_url: Option<String>,
    pub(super) client_id: Arc<str>,
    pub(super) client_secret: Arc<str>,
    pub(super) key: Arc<DpopKey>,
    /// Whether plain `http:` and `ws:` may be used with hosts other than this machine. Secrets then travel in the clear.
    pub allow_plain: bool,
    /// Further certificate authorities to trust, as PEM, beside the Mozilla set.
    pub roots_pem: Option<String>,
    /// How long connecting may take, the access token included.
    pub connect_wait: Duration,
    /// A broker that is silent this long is gone; it has a heartbeat every 30 s.
    pub silence_max: Duration,
    /// The longest message, in bytes.
    pub message_bytes_max: usize,
    /// Events that wait to be taken; then no more is read.
    pub waiting_max: usize,
    /// Words that have left and have no answer yet, at most; others wait. 1 keeps their order even when the broker's store
    /// fails between two of them.
    pub unanswered_max: usize,
    /// Pauses between connections.
    pub backoff: Backoff,
    /// What is random about them.
    pub jitter: Jitter,
}

impl Config {
    /// The defaults, with a new key for access tokens to be bound to.
    pub fn new(
        base_url: impl Into<String>,
        client_id: impl Into<Arc<str>>,
        client_secret: impl Into<Arc<str>>,
    ) -> Result<Self, crate::Error> {
        let key = DpopKey::generate(Algorithm::EdDsa)?;
        Ok(Self {
            base_url: base_url.into(),
            public_url: None,
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            key: Arc::new(key),
            allow_plain: false,
            roots_pem: None,
            connect_wait: Duration::from_secs(15),
            silence_max: Duration::from_secs(100),
            message_bytes_max: 4 * 1024 * 1024,
            waiting_max: 256,
            unanswered_max: 32,
            backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(30)),
            jitter: Jitter::default(),
        })
    }

    /// Binds access tokens to this key.
    #[must_use]
    pub fn bound_to(mut self, key: DpopKey) -> Self {
        self.key = Arc::new(key);
        self
    }
}

impl fmt::Debug for Config {
    /// Without secret and key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("base_url", &self.base_url)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}
