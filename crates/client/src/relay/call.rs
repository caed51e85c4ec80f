//! A call, and its answer.

use super::{CALL_WAIT, Failed};
use crate::Error;
use crate::endpoint::Endpoint;
use crate::payment::Payment;
use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use std::fmt;
use std::time::Duration;
use tollwire_x402::Usdc;
use tollwire_x402::facilitator::SettleResponse;
use tollwire_x402::v2::PaymentRequired;

/// A call of a registered API.
#[derive(Clone)]
pub struct ApiCall {
    pub(super) api: String,
    pub(super) path: String,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) wait: Duration,
}

/// How an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Over the socket.
    Socket,
    /// Over HTTP, because there was no socket, or none any more.
    Http,
}

/// What an API answered.
#[derive(Clone)]
pub struct Called {
    /// Its status.
    pub status: StatusCode,
    /// Its headers, as far as the broker passes them on.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// What was paid for it alone; nothing if it was free, is not charged for, or an account paid.
    pub paid: Usdc,
    /// What was left of the account that paid for it, by then.
    pub balance: Option<Usdc>,
    /// What the broker, or the API, says of the settlement; the transaction stands on the chain.
    pub settlement: Option<SettleResponse>,
    /// Whether the broker gave this answer before.
    pub replayed: bool,
    /// How it came.
    pub way: Way,
    /// What the broker says of a payment at a price of its own; `None` where the API prices itself.
    pub(super) settled: Option<bool>,
}

/// What a call is sent with.
#[derive(Clone, Copy)]
pub(super) enum Means<'a> {
    None,
    Payment(&'a Payment),
    Account { token: &'a str, claim: &'a str },
}

/// What came back.
pub(crate) enum Answered {
    Answer(Box<Called>),
    /// What to pay, and what became of the payment that was sent.
    Bill(Box<PaymentRequired>, Option<SettleResponse>),
    /// The account does not suffice.
    Short,
    Failed(Failed),
}

impl ApiCall {
    /// A GET of a path of an API, with its query.
    pub fn get(api: &str, path: &str) -> Self {
        Self {
            api: api.to_owned(),
            path: path.to_owned(),
            method: Method::GET,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            wait: CALL_WAIT,
        }
    }

    /// A POST of JSON text.
    pub fn post_json(api: &str, path: &str, json: impl Into<Bytes>) -> Self {
        let json_type = HeaderValue::from_static("application/json");
        Self::get(api, path).method(Method::POST).header(http::header::CONTENT_TYPE, json_type).body(json)
    }

    /// With another method.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Waits this long for an answer over the socket; the default is [`CALL_WAIT`].
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Whether making it twice changes nothing.
    pub(super) fn is_safe(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }

    /// Where it is made over HTTP.
    pub(super) fn endpoint(&self, base: &Endpoint) -> Result<Endpoint, Error> {
        if !self.path.starts_with('/') || self.path.starts_with("//") || self.path.contains('#') {
            return Err(Error::Url("a call's path begins with one slash and has no fragment"));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if self.api.is_empty() || !self.api.bytes().all(plain) {
            return Err(Error::Url("an API's id has letters, digits, '-', '_' and '.'"));
        }
        base.below(&format!("/relay/{}{}", self.api, self.path))
    }
}

impl fmt::Debug for ApiCall {
    /// Without headers and body: they are the caller's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiCall")
            .field("api", &self.api)
            .field("method", &self.method)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Called {
    /// Without headers and body: they are the API's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Called")
            .field("status", &self.status)
            .field("paid", &self.paid)
            .field("replayed", &self.replayed)
            .field("way", &self.way)
            .finish_non_exhaustive()
    }
}
