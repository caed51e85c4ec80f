//! Asking APIs: one pool of connections for those at public addresses, one for those that may be private.

use super::api::Api;
use super::body::{self, Unread};
use super::priced::Notes;
use super::request::ApiRequest;
use super::resolver::Resolver;
use super::stream::Listener;
use super::{CallError, headers, stream};
use crate::runtime::{Budget, Room};
use crate::{Limits, StartError};
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::time::Duration;
use tokio::time::timeout;

/// How long a connection without a call is kept.
const IDLE: Duration = Duration::from_secs(60);

/// Connections without a call that are kept per API.
const IDLE_PER_HOST_MAX: usize = 32;

type HttpClient = Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>;

/// The way to all APIs.
pub(crate) struct Upstream {
    public: HttpClient,
    private: HttpClient,
    answer_within: Duration,
    answer_bytes_max: usize,
}

/// An answer whose body is on its way.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    body: Incoming,
    paid: bool,
}

/// An API's answer, whole, with the headers that may pass.
#[derive(Debug)]
pub(super) struct ApiAnswer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// What it takes of the agent's queue.
    pub(super) room: Room,
    /// The chunks its body has been passed on in; then there is none here.
    pub(super) chunks: Option<u64>,
    /// What is to be said beside it.
    pub(super) notes: Notes,
}

impl Upstream {
    /// A way that also trusts these authorities (PEM).
    pub(crate) fn new(extra_roots: Option<&str>, limits: &Limits) -> Result<Self, StartError> {
        let tls = tollwire_wire::tls::client_config(extra_roots)?;
        let client = |private| {
            let mut tcp = HttpConnector::new_with_resolver(Resolver { private });
            tcp.enforce_http(false);
            tcp.set_nodelay(true);
            tcp.set_connect_timeout(Some(limits.connect));
            let connector = HttpsConnectorBuilder::new()
                .with_tls_config(tls.clone())
                .https_or_http()
                .enable_http1()
                .wrap_connector(tcp);
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE)
                .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
                .build(connector)
        };
        Ok(Self {
            public: client(false),
            private: client(true),
            answer_within: limits.answer,
            answer_bytes_max: limits.answer_bytes_max,
        })
    }

    /// Makes one request; the body is left to be read. Redirects are answers like any other: nothing goes where it was
    /// not addressed.
    pub(super) async fn ask(&self, api: &Api, request: ApiRequest) -> Result<Begun, CallError> {
        let (paid, head_only) = (request.paid, request.method == Method::HEAD);
        let mut outgoing = Request::new(Full::new(request.body));
        *outgoing.method_mut() = request.method;
        *outgoing.uri_mut() = api.uri(&request.path)?;
        *outgoing.headers_mut() = request.headers;
        for (name, value) in &api.headers {
            outgoing.headers_mut().insert(name, value.clone());
        }
        let client = if api.allow_private { &self.private } else { &self.public };
        let answer = match timeout(self.answer_within, client.request(outgoing)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(failed(api, &error, paid)),
            Err(_) => return Err(late(paid)),
        };
        let (mut head, body) = answer.into_parts();
        let length = head.headers.get(CONTENT_LENGTH).cloned().filter(|_| head_only);
        headers::to_agent(&mut head.headers);
        // The one length that says something about a body that is not there.
        if let Some(length) = length {
            head.headers.insert(CONTENT_LENGTH, length);
        }
        Ok(Begun { status: head.status, headers: head.headers, body, paid })
    }

    /// Reads an answer whole.
    pub(super) async fn whole(&self, begun: Begun, budget: &Budget) -> Result<ApiAnswer, CallError> {
        let Begun { status, headers, body, paid } = begun;
        let read = body::read(body, self.answer_bytes_max, self.answer_within, budget).await;
        let (body, room) = read.map_err(|unread| unread.of_call(paid))?;
        Ok(ApiAnswer { status, headers, body, room, chunks: None, notes: Notes::default() })
    }

    /// Passes an answer's body on as it comes.
    pub(super) async fn streamed(
        &self,
        begun: Begun,
        budget: &Budget,
        to: Listener<'_>,
    ) -> Result<ApiAnswer, CallError> {
        let Begun { status, headers, body, paid } = begun;
        let passed = stream::pass(body, &headers, self.answer_within, budget, to).await;
        let chunks = passed.map_err(|unread| unread.of_call(paid))?;
        let (body, room, notes) = (Bytes::new(), Room::default(), Notes::default());
        Ok(ApiAnswer { status, headers, body, room, chunks: Some(chunks), notes })
    }
}

fn late(paid: bool) -> CallError {
    if paid { CallError::SettlementUnknown } else { CallError::Timeout }
}

impl Unread {
    /// What a call without its body comes to.
    fn of_call(self, paid: bool) -> CallError {
        match self {
            Self::TooLong => CallError::Upstream("the API's answer is too long"),
            Self::BrokenOff if paid => CallError::SettlementUnknown,
            Self::BrokenOff => CallError::Upstream("the API broke off its answer"),
            Self::Late => late(paid),
            Self::Unwanted => CallError::Cancelled,
        }
    }
}

/// What a client may know of a failure. Its causes are for the log: they hold addresses, no header and no path.
fn failed(api: &Api, error: &Error, paid: bool) -> CallError {
    let causes = std::iter::successors(Some::<&dyn std::error::Error>(error), |error| error.source());
    let causes = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
    tracing::warn!(api = %api.id, causes, "an API cannot be asked");
    if error.is_connect() {
        CallError::Upstream("cannot connect to the API")
    } else if paid {
        // The payment has left with the request; whether it was taken, nobody here can know.
        CallError::SettlementUnknown
    } else {
        CallError::Upstream("the API broke off the connection")
    }
}
