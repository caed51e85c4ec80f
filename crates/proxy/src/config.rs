//! The proxy's bounds.

use std::time::Duration;
use tollwire_meter::MeterConfig;

/// Bounds and settings that all feeds share. `ProxyConfig::default()` suits production.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProxyConfig {
    /// Streams at once, those being opened included; beyond it opens answer 503. Default 20,000.
    pub streams_max: usize,
    /// Time for an upstream's whole answer: name, TCP, TLS, handshake. Default 10 s.
    pub upstream_dial: Duration,
    /// How streams are metered.
    pub meter: MeterConfig,
    /// Opens of one session per minute that may fail before they charge; beyond it 429. Default 10.
    pub failed_dials_max: u32,
    /// How long a live stream of `stream` units goes on when the store cannot be asked for its next unit; metered
    /// streams end with their lease. Default 30 s.
    pub renewal_grace: Duration,
    /// PEM certificates of private authorities that `wss://` upstreams may be signed by, beside the public ones.
    pub extra_roots_pem: Vec<String>,
}

impl Default for ProxyConfig {
    fn default() -> Self {
        Self {
            streams_max: 20_000,
            upstream_dial: Duration::from_secs(10),
            meter: MeterConfig::default(),
            failed_dials_max: 10,
            renewal_grace: Duration::from_secs(30),
            extra_roots_pem: Vec::new(),
        }
    }
}
