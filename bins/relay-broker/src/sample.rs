//! The sample API of `dev`: a plain HTTP server that knows nothing of the broker.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Full, Limited};
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tower_service::Service;

type Answer = Response<Full<Bytes>>;

/// The longest body that is echoed, in bytes.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// The longest wait of `/v1/slow`, in milliseconds.
const SLOW_MILLIS_MAX: u64 = 20_000;

/// `/v1/echo` gives back what it gets; `/v1/slow?ms=N` takes its time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SampleApi;

impl<B> Service<Request<B>> for SampleApi
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Answer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Box::pin(async move { Ok(serve(request).await) })
    }
}

async fn serve<B>(request: Request<B>) -> Answer
where
    B: Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (head, body) = request.into_parts();
    match head.uri.path() {
        "/v1/echo" => {
            let Ok(whole) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
                return json(StatusCode::PAYLOAD_TOO_LARGE, r#"{"error":"at most 1 MiB"}"#);
            };
            let mut answer = Response::new(Full::new(whole.to_bytes()));
            if let Some(content_type) = head.headers.get(CONTENT_TYPE) {
                answer.headers_mut().insert(CONTENT_TYPE, content_type.clone());
            }
            answer
        }
        "/v1/slow" => {
            let query = head.uri.query().unwrap_or_default();
            let millis = query.strip_prefix("ms=").and_then(|ms| ms.parse().ok()).unwrap_or(1_000);
            let millis = u64::min(millis, SLOW_MILLIS_MAX);
            tokio::time::sleep(Duration::from_millis(millis)).await;
            json(StatusCode::OK, format!("{{\"waited_ms\":{millis}}}"))
        }
        _ => json(StatusCode::NOT_FOUND, r#"{"error":"try /v1/echo or /v1/slow?ms=2000"}"#),
    }
}

fn json(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
