//! Asks the facilitator in the agent's place and brings its answer back.

use super::purchase::{OnSession, Purchase};
use crate::Error;
use crate::fetch::{Client, join};
use crate::refusal::problem;
use bytes::Bytes;
use http::header::{
    ACCEPT, ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use http::{HeaderMap, Response, StatusCode, Uri};
use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tollwire_x402::{FeedId, header};

/// Longer than the facilitator holds a payment for its outcome (30 s).
const TIMEOUT: Duration = Duration::from_secs(40);
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Requests waiting for the facilitator at once; one more is told to come back.
const WAITING_MAX: usize = 256;

const REQUEST_HEADERS: [HeaderName; 5] = [
    ACCEPT,
    HeaderName::from_static(header::PAYMENT_SIGNATURE),
    HeaderName::from_static(header::X_PAYMENT),
    HeaderName::from_static(header::TOLLWIRE_CLAIM),
    HeaderName::from_static(header::SIGN_IN_WITH_X),
];

const RESPONSE_HEADERS: [HeaderName; 8] = [
    CONTENT_TYPE,
    CACHE_CONTROL,
    RETRY_AFTER,
    WWW_AUTHENTICATE,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    HeaderName::from_static(header::PAYMENT_REQUIRED),
    HeaderName::from_static(header::PAYMENT_RESPONSE),
    HeaderName::from_static(header::X_PAYMENT_RESPONSE),
];

/// The facilitator's pre-auth route of one feed.
#[derive(Debug)]
pub(super) struct Forward {
    client: Client,
    uri: Uri,
    feed: FeedId,
    wallet: Arc<str>,
    callback: Option<OnSession>,
    waiting: Arc<Semaphore>,
}

impl Forward {
    pub(super) fn new(public_url: &str, feed: FeedId, wallet: &str) -> Result<Self, Error> {
        Ok(Self {
            client: Client::new()?,
            uri: join("public_url", public_url, &format!("/feeds/{feed}/session"))?,
            feed,
            wallet: wallet.into(),
            callback: None,
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
        })
    }

    /// The same route with this callback.
    pub(super) fn with_callback(&self, callback: OnSession) -> Self {
        Self {
            client: self.client.clone(),
            uri: self.uri.clone(),
            feed: self.feed.clone(),
            wallet: self.wallet.clone(),
            callback: Some(callback),
            waiting: self.waiting.clone(),
        }
    }

    /// The facilitator's answer, or what to do when there is none.
    pub(super) async fn answer(&self, headers: &HeaderMap) -> Response<Bytes> {
        let Ok(_permit) = self.waiting.try_acquire() else {
            return again(StatusCode::SERVICE_UNAVAILABLE, "busy", "Too many payments are under way.");
        };
        let headers = allowed(headers, &REQUEST_HEADERS);
        match self.client.get(&self.uri, headers, ANSWER_BYTES_MAX, TIMEOUT).await {
            Ok(answer) => self.pass(&answer),
            Err(error) => {
                tracing::warn!(%error, cause = ?error.source(), feed = %self.feed, "the facilitator did not answer the pre-auth route");
                let status = match error {
                    Error::Timeout => StatusCode::GATEWAY_TIMEOUT,
                    _ => StatusCode::BAD_GATEWAY,
                };
                // Never a fresh 402: what was signed may have been settled, and the same payment collects it.
                again(
                    status,
                    "facilitator_unavailable",
                    "Repeat the request with the same payment, if it had one.",
                )
            }
        }
    }

    fn pass(&self, answer: &Response<Bytes>) -> Response<Bytes> {
        let status = answer.status();
        if !(status == StatusCode::OK || status.is_client_error() || status.is_server_error()) {
            tracing::warn!(status = status.as_u16(), feed = %self.feed, "unexpected status of the facilitator");
            return again(StatusCode::BAD_GATEWAY, "facilitator_unavailable", "Repeat the request.");
        }
        if status == StatusCode::OK {
            self.sold(answer.body());
        }
        let mut response = Response::new(answer.body().clone());
        *response.status_mut() = status;
        *response.headers_mut() = allowed(answer.headers(), &RESPONSE_HEADERS);
        // A token must not be cached, whatever the facilitator forgot.
        let private = HeaderValue::from_static("private, no-store");
        response.headers_mut().entry(CACHE_CONTROL).or_insert(private);
        response
    }

    fn sold(&self, body: &[u8]) {
        let Some(callback) = &self.callback else { return };
        match Purchase::read(body, &self.wallet) {
            Some(purchase) if purchase.feed == self.feed => callback.run(purchase),
            _ => {
                tracing::warn!(feed = %self.feed, "the facilitator's 200 does not describe a session of this feed");
            }
        }
    }
}

/// The headers of a closed list, each with all its values: whoever reads them decides about repetitions.
fn allowed(from: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for name in names {
        for value in from.get_all(name) {
            headers.append(name.clone(), value.clone());
        }
    }
    headers
}

fn again(status: StatusCode, code: &str, detail: &str) -> Response<Bytes> {
    let mut response = problem(status, code, detail);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
    response
}
