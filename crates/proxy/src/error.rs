//! Why a stream was not opened, or a feed or proxy cannot be.

use crate::UpstreamError;
use http::StatusCode;
use http::header::{HeaderMap, HeaderValue, SEC_WEBSOCKET_VERSION, UPGRADE};
use std::time::Duration;
use tollwire_meter::Refusal;
use tollwire_wire::tls::RootsError;

/// Why a stream was not opened. Nothing was charged, whatever the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The request is not a WebSocket handshake that can be answered: correct it.
    #[error(transparent)]
    NotWebSocket(#[from] HandshakeError),
    /// No unit is left: pay, then open again.
    #[error("no unit is left")]
    Exhausted {
        /// Whether other streams hold units that may come back: then retrying can help.
        held_elsewhere: bool,
    },
    /// The session has as many streams open as it may: close one, or retry later.
    #[error("the session has too many streams open")]
    TooMany,
    /// The balance's life is over.
    #[error("the session's balance has expired")]
    Expired,
    /// The session was revoked.
    #[error("the session was revoked")]
    Revoked,
    /// The session was ended by its payer or an operator.
    #[error("the session was closed")]
    Closed,
    /// The ledger knows no such session.
    #[error("no such session")]
    Unknown,
    /// The stream id was used before, longer ago than it may be re-opened, or a newer open took it over just now:
    /// take another id.
    #[error("this stream id was used before; open with a new one")]
    Conflict,
    /// Too many opens of this session failed within a minute.
    #[error("too many failed opens")]
    TooManyFailedDials {
        /// When the next may be tried.
        retry_after: Duration,
    },
    /// The upstream did not give us a WebSocket.
    #[error("upstream: {0}")]
    Upstream(#[from] UpstreamError),
    /// The ledger could not answer: retry.
    #[error(transparent)]
    Store(#[from] tollwire_ledger::Error),
    /// The unit that was held went back before it could be charged: retry.
    #[error("the hold lapsed before the stream was open")]
    Lapsed,
    /// As many streams are open as may be: retry later.
    #[error("too many streams are open")]
    Busy,
    /// The proxy is draining: connect again, to another node if there is one.
    #[error("draining")]
    Draining,
    /// Our fault; the log says more.
    #[error("internal error")]
    Internal,
}

impl OpenError {
    /// The HTTP status that says so.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotWebSocket(error) => error.status(),
            Self::Exhausted { .. } | Self::Expired => StatusCode::FORBIDDEN,
            Self::Revoked | Self::Closed | Self::Unknown => StatusCode::UNAUTHORIZED,
            Self::Conflict => StatusCode::CONFLICT,
            Self::TooMany | Self::TooManyFailedDials { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Upstream(_) => StatusCode::BAD_GATEWAY,
            Self::Store(_) | Self::Lapsed | Self::Busy | Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// When trying again may help; for `Retry-After`.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooManyFailedDials { retry_after } => Some(*retry_after),
            Self::Exhausted { held_elsewhere: true } | Self::Store(_) | Self::Lapsed | Self::Draining => {
                Some(Duration::from_secs(1))
            }
            Self::TooMany | Self::Busy => Some(Duration::from_secs(5)),
            _ => None,
        }
    }

    /// Further header lines of the answer, `Retry-After` apart.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Self::NotWebSocket(error) = self
            && error.status() == StatusCode::UPGRADE_REQUIRED
        {
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        headers
    }

    /// A fixed word, for metric labels and problem types.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NotWebSocket(_) => "not-websocket",
            Self::Exhausted { held_elsewhere: false } => "exhausted",
            Self::Exhausted { held_elsewhere: true } => "held-elsewhere",
            Self::TooMany => "too-many-streams-of-session",
            Self::Expired => "balance-expired",
            Self::Revoked => "revoked",
            Self::Closed => "closed",
            Self::Unknown => "unknown-session",
            Self::Conflict => "stream-conflict",
            Self::TooManyFailedDials { .. } => "too-many-failed-opens",
            Self::Upstream(_) => "upstream",
            Self::Store(_) => "store-unavailable",
            Self::Lapsed => "hold-lapsed",
            Self::Busy => "too-many-streams",
            Self::Draining => "draining",
            Self::Internal => "internal",
        }
    }
}

impl From<Refusal> for OpenError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Exhausted { held_elsewhere } => Self::Exhausted { held_elsewhere },
            Refusal::TooMany => Self::TooMany,
            Refusal::Expired => Self::Expired,
            Refusal::Revoked => Self::Revoked,
            Refusal::Closed => Self::Closed,
            Refusal::Unknown => Self::Unknown,
            Refusal::Conflict => Self::Conflict,
            Refusal::Lapsed => Self::Lapsed,
            Refusal::Store(error) => Self::Store(error),
            // The log has said more.
            _ => Self::Internal,
        }
    }
}

/// What is wrong with an agent's opening handshake (RFC 6455, section 4.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// Not a GET.
    #[error("a WebSocket is opened with GET")]
    Method,
    /// Not HTTP/1.1.
    #[error("a WebSocket is opened over HTTP/1.1")]
    HttpVersion,
    /// No `Upgrade: websocket` with `Connection: upgrade`.
    #[error("this address speaks WebSocket: send upgrade: websocket and connection: upgrade")]
    NoUpgrade,
    /// Another WebSocket version than 13.
    #[error("sec-websocket-version must be 13")]
    Version,
    /// Not exactly one `Sec-WebSocket-Key` of 16 bytes.
    #[error("sec-websocket-key must be one base64 value of 16 bytes")]
    Key,
    /// A header that may stand once stands twice.
    #[error("{0} must not be repeated")]
    Repeated(&'static str),
    /// A list of subprotocols or extensions that is none.
    #[error("{0} is malformed")]
    Malformed(&'static str),
    /// A body, which a handshake does not have.
    #[error("a WebSocket handshake has no body")]
    Body,
    /// The HTTP server cannot give the connection away.
    #[error("this connection cannot be upgraded")]
    NotUpgradable,
}

impl HandshakeError {
    /// The HTTP status that says so.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoUpgrade | Self::HttpVersion | Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::Key | Self::Repeated(_) | Self::Malformed(_) | Self::Body => StatusCode::BAD_REQUEST,
            Self::NotUpgradable => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// Why a route cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// Neither `ws://` nor `wss://`.
    #[error("the upstream must be a ws:// or wss:// URL")]
    Scheme,
    /// No host.
    #[error("the upstream has no host")]
    Host,
    /// Credentials in the URL.
    #[error("the upstream must not carry a user or password; use upstream_headers")]
    UserInfo,
    /// A fragment, which is never sent.
    #[error("the upstream must not have a fragment")]
    Fragment,
    /// A header line that the proxy writes itself.
    #[error("upstream_headers must not set {0}")]
    Header(String),
    /// No stream may be open.
    #[error("streams_per_session must be at least 1")]
    StreamsMax,
    /// Units that count no stream.
    #[error("no stream is sold by usdc: prepaid accounts are held in it")]
    Unit,
    /// Units that last no time.
    #[error("max_stream must be longer than nothing")]
    MaxStream,
}

/// Why a proxy cannot be made from its configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// An extra root is not a PEM certificate, or not one that can be trusted.
    #[error("extra_roots_pem: {0}")]
    Roots(#[from] RootsError),
}
