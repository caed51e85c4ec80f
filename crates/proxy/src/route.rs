//! Where a feed's streams go, and how.

use crate::RouteError;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, TRANSFER_ENCODING, UPGRADE};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tollwire_meter::Terms;
use tollwire_wire::Counted;
use tollwire_wire::Limits;
use tollwire_x402::{FeedId, Unit};
use url::Url;

/// How long one `stream` unit lasts unless the feed says otherwise.
pub const MAX_STREAM: Duration = Duration::from_hours(24);

/// How many streams a session may have open at once unless the feed says otherwise.
pub const STREAMS_PER_SESSION: u32 = 100;

/// One feed, as the proxy sees it.
#[derive(Clone)]
pub struct FeedRoute {
    /// Its id: the audience of stream tokens, and the label of metrics.
    pub feed: FeedId,
    /// `ws://` or `wss://`, with the path and the query that every stream asks for.
    pub upstream: Url,
    /// Header lines for the upstream's handshake. They win over the agent's and over the stream token.
    pub upstream_headers: HeaderMap,
    /// What the upstream is told about the stream.
    pub upstream_auth: UpstreamAuth,
    /// What streams are sold by.
    pub unit: Unit,
    /// Whose messages or bytes count, for the units `message` and `kib`.
    pub counted: Counted,
    /// How long one `stream` unit lasts.
    pub max_stream: Duration,
    /// How many streams a session may have open at once.
    pub streams_max: u32,
    /// Units left in a session at which its agent is told, if it can be.
    pub low_water: u64,
    /// Bounds of each stream.
    pub limits: Arc<Limits>,
    /// How agents learn that nothing is left.
    pub exhausted: WhenExhausted,
}

/// What an upstream is told about a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UpstreamAuth {
    /// Nothing.
    #[default]
    None,
    /// A stream token as `Authorization: Bearer`: feed, payer, session and stream, for at most 60 s.
    StreamToken,
}

/// How an open is answered when no unit is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenExhausted {
    /// The upgrade is refused: [`OpenError::Exhausted`](crate::OpenError::Exhausted), status 403.
    #[default]
    Refuse,
    /// The WebSocket is accepted and closed with 4008 at once, which browsers can see.
    Close,
}

/// Header lines that make or break the upstream's handshake; the proxy writes them itself.
const OURS: [HeaderName; 9] = [
    CONNECTION,
    UPGRADE,
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    http::header::SEC_WEBSOCKET_KEY,
    http::header::SEC_WEBSOCKET_VERSION,
    http::header::SEC_WEBSOCKET_ACCEPT,
    http::header::SEC_WEBSOCKET_PROTOCOL,
    http::header::SEC_WEBSOCKET_EXTENSIONS,
];

impl FeedRoute {
    /// A route with the defaults: sold by the stream, no headers, no stream token, a day per unit, refusal when exhausted.
    pub fn new(feed: FeedId, upstream: Url) -> Self {
        Self {
            feed,
            upstream,
            upstream_headers: HeaderMap::new(),
            upstream_auth: UpstreamAuth::None,
            unit: Unit::Stream,
            counted: Counted::Down,
            max_stream: MAX_STREAM,
            streams_max: STREAMS_PER_SESSION,
            low_water: 1,
            limits: Arc::new(Limits::default()),
            exhausted: WhenExhausted::Refuse,
        }
    }

    pub(crate) fn terms(&self, grace: Duration) -> Terms {
        Terms { unit: self.unit, max_stream: self.max_stream, grace }
    }

    /// Whether streams can be opened by this route at all. Whoever registers a feed calls it first.
    pub fn check(&self) -> Result<(), RouteError> {
        if !matches!(self.upstream.scheme(), "ws" | "wss") {
            return Err(RouteError::Scheme);
        }
        if self.upstream.host_str().is_none_or(str::is_empty) {
            return Err(RouteError::Host);
        }
        if !self.upstream.username().is_empty() || self.upstream.password().is_some() {
            return Err(RouteError::UserInfo);
        }
        if self.upstream.fragment().is_some() {
            return Err(RouteError::Fragment);
        }
        if self.unit == Unit::Usdc {
            return Err(RouteError::Unit);
        }
        if self.max_stream.is_zero() {
            return Err(RouteError::MaxStream);
        }
        if self.streams_max == 0 {
            return Err(RouteError::StreamsMax);
        }
        match self.upstream_headers.keys().find(|name| is_ours(name)) {
            Some(name) => Err(RouteError::Header(name.to_string())),
            None => Ok(()),
        }
    }
}

/// Whether the proxy writes this header line itself, so that nobody else may.
pub(crate) fn is_ours(name: &HeaderName) -> bool {
    OURS.contains(name)
}

/// Shows no header value and no query: both may hold the operator's keys.
impl fmt::Debug for FeedRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeedRoute")
            .field("feed", &self.feed)
            .field("upstream", &format_args!("{}", origin_and_path(&self.upstream)))
            .field("upstream_headers", &self.upstream_headers.keys().collect::<Vec<_>>())
            .field("upstream_auth", &self.upstream_auth)
            .field("unit", &self.unit)
            .field("counted", &self.counted)
            .field("max_stream", &self.max_stream)
            .field("streams_max", &self.streams_max)
            .field("low_water", &self.low_water)
            .field("limits", &self.limits)
            .field("exhausted", &self.exhausted)
            .finish()
    }
}

fn origin_and_path(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn route(url: &str) -> FeedRoute {
        FeedRoute::new("ticks".parse().unwrap(), url.parse().unwrap())
    }

    #[test]
    fn each_mistake_has_its_name() {
        assert_eq!(route("wss://example.com/stream?x=1").check(), Ok(()));
        assert_eq!(route("https://example.com/").check(), Err(RouteError::Scheme));
        assert_eq!(route("ws://user@example.com/").check(), Err(RouteError::UserInfo));
        assert_eq!(route("ws://:secret@example.com/").check(), Err(RouteError::UserInfo));
        assert_eq!(route("ws://example.com/#part").check(), Err(RouteError::Fragment));
        let mut account = route("ws://example.com/");
        account.unit = Unit::Usdc;
        assert_eq!(account.check(), Err(RouteError::Unit));
        let mut never = route("ws://example.com/");
        never.max_stream = Duration::ZERO;
        assert_eq!(never.check(), Err(RouteError::MaxStream));
        for name in ["connection", "sec-websocket-key", "transfer-encoding"] {
            let mut broken = route("ws://example.com/");
            broken.upstream_headers.insert(HeaderName::from_static(name), HeaderValue::from_static("x"));
            assert_eq!(broken.check(), Err(RouteError::Header(name.into())));
        }
    }

    #[test]
    fn debug_output_keeps_the_operators_keys() {
        let mut route = route("ws://example.com:9/stream?apikey=SECRET");
        route.upstream_headers.insert("x-key", HeaderValue::from_static("SECRET"));
        let shown = format!("{route:?}");
        assert!(shown.contains("ws://example.com:9/stream") && shown.contains("x-key"), "{shown}");
        assert!(!shown.contains("SECRET"), "{shown}");
    }
}
