//! How a payer behaves. Every wait and every retry has its bound here.

use std::time::Duration;
use tollwire_x402::Network;

/// How a payer and its streams behave.
#[derive(Debug, Clone)]
pub struct Config {
    /// The networks that may be paid on. Empty: none, and nothing can be bought.
    pub networks: Vec<Network>,
    /// How often a request is sent before giving up; at least 1.
    pub tries: u32,
    /// How long one answer may take. Facilitators hold a payment for up to 30 s.
    pub answer_wait: Duration,
    /// How long connecting and upgrading may take.
    pub connect_wait: Duration,
    /// The longest pause that a server's `Retry-After` can impose.
    pub pause_max: Duration,
    /// Whether plain `http:` and `ws:` may be used with hosts other than this machine. Tokens and payments then
    /// travel in the clear.
    pub allow_plain: bool,
    /// Further certificate authorities to trust, as PEM, beside the Mozilla set.
    pub roots_pem: Option<String>,
    /// The longest message a stream may receive, in bytes.
    pub message_bytes_max: usize,
    /// A silent stream is pinged this often.
    pub ping_every: Duration,
    /// A stream that was silent this long, pings unanswered, is lost.
    pub silence_max: Duration,
    /// How many sessions in a row may be bought without one message received from them.
    pub unserved_max: u32,
}

impl Config {
    /// The defaults, paying on these networks.
    pub fn new(networks: impl IntoIterator<Item = Network>) -> Self {
        Self {
            networks: networks.into_iter().collect(),
            tries: 6,
            answer_wait: Duration::from_secs(40),
            connect_wait: Duration::from_secs(15),
            pause_max: Duration::from_secs(30),
            allow_plain: false,
            roots_pem: None,
            message_bytes_max: 16 * 1024 * 1024,
            ping_every: Duration::from_secs(30),
            silence_max: Duration::from_secs(90),
            unserved_max: 3,
        }
    }
}
