//! The proxy's bounds.

use std::time::Duration;

/// Bounds and settings that all feeds share. `ProxyConfig::default()` suits production.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProxyConfig {
    /// Streams at once, those being opened included; beyond it opens answer 503. Default 20,000.
    pub streams_max: usize,
    /// Time for an upstream's whole answer: name, TCP, TLS, handshake. Default 10 s.
    pub upstream_dial: Duration,
    /// How much longer than the dial a unit is held, for the commands before and after it. Default 5 s.
    pub lease_margin: Duration,
    /// How long an open waits for units that others hold but may not use. Default 1 s.
    pub held_wait: Duration,
    /// Opens of one session per minute that may fail before they charge; beyond it 429. Default 10.
    pub failed_dials_max: u32,
    /// How long a live stream goes on when the store cannot be asked for its next unit. Default 30 s.
    pub renewal_grace: Duration,
    /// How often sessions of live streams are checked for revocation and replaced streams. Default 1 s.
    pub watch_interval: Duration,
    /// PEM certificates of private authorities that `wss://` upstreams may be signed by, beside the public ones.
    pub extra_roots_pem: Vec<String>,
}

impl Default for ProxyConfig {
    fn default() -> Self {
        Self {
            streams_max: 20_000,
            upstream_dial: Duration::from_secs(10),
            lease_margin: Duration::from_secs(5),
            held_wait: Duration::from_secs(1),
            failed_dials_max: 10,
            renewal_grace: Duration::from_secs(30),
            watch_interval: Duration::from_secs(1),
            extra_roots_pem: Vec::new(),
        }
    }
}
