//! A provider made with hyper alone, on a real socket, with real WebSockets.
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail loudly")]

#[path = "../../middleware/tests/support/mod.rs"]
mod support;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use std::convert::Infallible;
use support::{Facilitator, Served, URL, greet};
use tollwire_middleware_hyper::{Accept, SessionContext, Verifier, gate};

async fn ticks(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    assert!(!request.headers().contains_key("authorization"));
    let session = request.extensions().get::<SessionContext>().unwrap();
    let text = format!("{} {}", session.payer, request.uri());
    Ok(greet(request, text))
}

async fn serve(facilitator: &Facilitator, accept: Accept) -> Served {
    let verifier = Verifier::builder(URL).accept(accept).jwks_json(&facilitator.jwks).unwrap();
    Served::start(gate(service_fn(ticks), verifier, "ticks".parse().unwrap())).await
}

#[tokio::test]
async fn takes_stream_tokens_once() {
    let facilitator = Facilitator::new();
    let server = serve(&facilitator, Accept::StreamTokens).await;
    support::takes_stream_tokens_once(&server, &facilitator).await;
}

#[tokio::test]
async fn takes_session_tokens() {
    let facilitator = Facilitator::new();
    let server = serve(&facilitator, Accept::SessionTokens).await;
    support::takes_session_tokens(&server, &facilitator).await;
}
