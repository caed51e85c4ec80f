//! HTTP requests: one at a time, bounded in time and size, repeated where repeating is right.

use crate::endpoint::Endpoint;
use crate::{Config, Error, tls};
use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::Value;
use std::time::Duration;

/// The longest answer body read unless more is asked for, in bytes.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// The pause after a first failure without `Retry-After`; it doubles each time.
const PAUSE_FIRST: Duration = Duration::from_millis(200);

/// The shortest pause, whatever the server says.
const PAUSE_MIN: Duration = Duration::from_millis(20);

/// An HTTP client for one purpose.
#[derive(Clone)]
pub(crate) struct HttpClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    answer_wait: Duration,
    pause_max: Duration,
    tries: u32,
    body_bytes_max: usize,
}

/// An answer, whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl HttpClient {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(config.connect_wait));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::config(config.roots_pem.as_deref())?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_mins(1))
            .pool_max_idle_per_host(8)
            .build(connector);
        Ok(Self {
            client,
            answer_wait: config.answer_wait,
            pause_max: config.pause_max,
            tries: config.tries.max(1),
            body_bytes_max: BODY_BYTES_MAX,
        })
    }

    /// The same, for longer bodies.
    pub(crate) fn reading(self, body_bytes_max: usize) -> Self {
        Self { body_bytes_max, ..self }
    }

    /// Sends one request. Redirects are not followed: neither a payment nor a token goes where it was not addressed.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, Error> {
        let exchange = async {
            let answer =
                self.client.request(request).await.map_err(|error| Error::Unreachable(chain(&error)))?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, self.body_bytes_max).collect().await;
            let body = body.map_err(|error| Error::Unreachable(format!("answer cut short: {error}")))?;
            Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() })
        };
        match tokio::time::timeout(self.answer_wait, exchange).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::Unreachable("no answer in time".into())),
        }
    }

    /// Sends a request again and again, made anew each time, until its answer is one to stop at or the tries are used
    /// up. The last outcome is returned, whatever it is.
    pub(crate) async fn send_until(
        &self,
        request: impl Fn() -> Result<Request<Full<Bytes>>, Error>,
        stop: impl Fn(&Answer) -> bool,
    ) -> Result<Answer, Error> {
        let mut pause = PAUSE_FIRST;
        let mut tried = 0;
        loop {
            let outcome = self.send(request()?).await;
            tried += 1;
            if tried >= self.tries || outcome.as_ref().is_ok_and(&stop) {
                return outcome;
            }
            let asked = outcome.as_ref().ok().and_then(|answer| retry_after(&answer.headers));
            let pause_now = asked.unwrap_or(pause).clamp(PAUSE_MIN, self.pause_max.max(PAUSE_MIN));
            tracing::debug!(tried, pause = ?pause_now, "asking again");
            tokio::time::sleep(pause_now).await;
            pause = pause.saturating_mul(2);
        }
    }
}

impl Answer {
    /// Whether the server may answer otherwise in a moment, having done nothing.
    pub(crate) fn is_temporary(&self) -> bool {
        is_temporary(self.status)
    }

    /// The refusal this answer is.
    pub(crate) fn refusal(&self) -> Error {
        Error::Status { status: self.status.as_u16(), problem: problem_kind(&self.body) }
    }
}

pub(crate) fn is_temporary(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

/// The kind of an RFC 9457 problem: the last part of its `type`, if that is a plain word.
pub(crate) fn problem_kind(body: &[u8]) -> Option<String> {
    let problem: Value = serde_json::from_slice(body).ok()?;
    let kind = problem.get("type")?.as_str()?.rsplit([':', '/']).next()?;
    let plain = (1..=64).contains(&kind.len())
        && kind.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    plain.then(|| kind.to_owned())
}

/// `Retry-After` in seconds. The form with a date is ignored.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// The request for an address.
pub(crate) fn request(
    method: http::Method,
    endpoint: &Endpoint,
    body: impl Into<Bytes>,
) -> Result<Request<Full<Bytes>>, Error> {
    Request::builder()
        .method(method)
        .uri(endpoint.as_str())
        .body(Full::new(body.into()))
        .map_err(|_| Error::Url("it cannot stand in a request"))
}

/// An error with its causes. hyper's own texts hold no header and no URL.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_s_kind_is_a_plain_word_or_nothing() {
        let kind = |body: &str| problem_kind(body.as_bytes());
        assert_eq!(kind(r#"{"type":"urn:tollwire:problem:exhausted"}"#).as_deref(), Some("exhausted"));
        assert_eq!(
            kind(r#"{"type":"https://x.example/problems/held-elsewhere"}"#).as_deref(),
            Some("held-elsewhere")
        );
        for body in ["", "{}", r#"{"type":7}"#, r#"{"type":"a:<script>"}"#, r#"{"type":"about:"}"#] {
            assert_eq!(kind(body), None, "{body}");
        }
    }
}
