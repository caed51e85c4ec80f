//! How a client of the bridge behaves.

use super::Backoff;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Where to connect, and how patient to be.
#[derive(Clone)]
pub struct Config {
    /// `wss://HOST/v1/ws/app` or `/v1/ws/agent`.
    pub url: String,
    pub(super) token: Arc<str>,
    /// Whether plain `ws:` may be used with hosts other than this machine. The token then travels in the clear.
    pub allow_plain: bool,
    /// Further certificate authorities to trust, as PEM, beside the Mozilla set.
    pub roots_pem: Option<String>,
    /// How long connecting may take.
    pub connect_wait: Duration,
    /// A silent broker is pinged this often; silent for three times as long, it is gone.
    pub ping_every: Duration,
    /// The longest message, in bytes.
    pub message_bytes_max: usize,
    /// Events that wait to be taken by [`next`](super::AppClient::next); then no more is read.
    pub waiting_max: usize,
    /// Pauses between connections.
    pub backoff: Backoff,
    /// What is random about them.
    pub jitter: Jitter,
}

/// A source of random numbers.
#[derive(Clone)]
pub struct Jitter(pub Arc<dyn Fn() -> u32 + Send + Sync>);

impl Config {
    /// The defaults.
    pub fn new(url: impl Into<String>, token: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            token: token.into().into(),
            allow_plain: false,
            roots_pem: None,
            connect_wait: Duration::from_secs(15),
            ping_every: Duration::from_secs(30),
            message_bytes_max: 4 * 1024 * 1024,
            waiting_max: 256,
            backoff: Backoff::default(),
            jitter: Jitter::default(),
        }
    }
}

impl Default for Jitter {
    /// The system's randomness.
    fn default() -> Self {
        Self(Arc::new(system))
    }
}

/// The system's randomness; without it all clients pause equally long.
fn system() -> u32 {
    let mut bytes = [0; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u32::from_be_bytes(bytes),
        Err(_) => 0,
    }
}

impl fmt::Debug for Config {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("url", &self.url)
            .field("backoff", &self.backoff)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jitter(..)")
    }
}
