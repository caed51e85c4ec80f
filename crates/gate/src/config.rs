//! What an operator can set about the gate, with its bounds.

use std::sync::Arc;
use std::time::Duration;
use tollwire_settlement::dues::Unspent;
use url::Url;

/// Settings of the one flow. Every wait and every count here is a bound.
#[derive(Debug, Clone)]
pub struct GateConfig {
    /// Where agents reach us: scheme, host and port (`https://pay.example`). Offers, `ws_url` and sign-in
    /// challenges are made from it, never from a request's `Host`.
    pub public_url: Url,
    /// How long a token opens streams (`exp`).
    pub token_ttl: Duration,
    /// How long a session keeps an unspent balance.
    pub balance_ttl: Duration,
    /// `maxTimeoutSeconds` of our offers; an offer stays payable this long plus [`OFFER_GRACE`] after a price change.
    pub offer_timeout: Duration,
    /// How long a paid request is held for its settlement's outcome.
    pub settle_wait: Duration,
    /// The operator's share of what is captured, in basis points, at most 10,000; for the books.
    pub fee_bps: u16,
    /// What becomes of what is left when a session is closed or its balance's life is over.
    pub unspent: Unspent,
    /// Caps on work that costs us more than it costs the caller.
    pub caps: Caps,
    /// Path of ours where prepaid accounts are spent over a WebSocket.
    pub accounts_at: String,
    /// Bounds of the streams of feeds registered at run time.
    pub stream_limits: Arc<tollwire_wire::Limits>,
    /// Hosts that feeds registered at run time may name as upstream; empty allows every host.
    pub upstream_hosts: Vec<String>,
}

/// How long an offer outlives its own timeout after the price changed: clocks differ, and answers travel.
pub const OFFER_GRACE: Duration = Duration::from_mins(1);

/// Caps on payments and facilitator calls in flight. A refused caller gets 429 and `Retry-After`.
#[derive(Debug, Clone, Copy)]
pub struct Caps {
    /// Payments, sign-ins and facilitator calls at once.
    pub in_flight_max: usize,
    /// The same, from one address.
    pub in_flight_per_address_max: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self { in_flight_max: 4096, in_flight_per_address_max: 256 }
    }
}

impl GateConfig {
    /// Defaults for a gate that agents reach at `public_url`.
    pub fn new(public_url: Url) -> Self {
        Self {
            public_url,
            token_ttl: Duration::from_hours(24),
            balance_ttl: Duration::from_hours(30 * 24),
            offer_timeout: Duration::from_mins(5),
            settle_wait: Duration::from_secs(30),
            fee_bps: 100,
            unspent: Unspent::Refund,
            caps: Caps::default(),
            accounts_at: "/".to_owned(),
            stream_limits: Arc::default(),
            upstream_hosts: Vec::new(),
        }
    }

    /// An absolute URL of ours.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.public_url.as_str().trim_end_matches('/'))
    }

    /// The WebSocket form of [`GateConfig::url`].
    pub(crate) fn ws_url(&self, path: &str) -> String {
        let url = self.url(path);
        match url.strip_prefix("http") {
            Some(rest) => format!("ws{rest}"),
            None => url,
        }
    }

    /// Host, with the port if it is not the scheme's own: the `domain` of sign-in messages.
    pub(crate) fn domain(&self) -> String {
        let host = self.public_url.host_str().unwrap_or_default();
        self.public_url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_made_from_the_public_one() {
        let config = GateConfig::new("https://pay.example/".parse().unwrap());
        assert_eq!(config.url("/feeds/a/session"), "https://pay.example/feeds/a/session");
        assert_eq!(config.ws_url("/feeds/a/ws"), "wss://pay.example/feeds/a/ws");
        assert_eq!(config.domain(), "pay.example");
        let config = GateConfig::new("http://127.0.0.1:4020".parse().unwrap());
        assert_eq!(config.ws_url("/x"), "ws://127.0.0.1:4020/x");
        assert_eq!(config.domain(), "127.0.0.1:4020");
    }
}
