//! A provider made with hyper alone, on a real socket, with real WebSockets.
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail loudly")]

#[path = "../../middleware/tests/support/mod.rs"]
mod support;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::convert::Infallible;
use support::{Facilitator, Served, URL, greet};
use tollwire_middleware_hyper::{Accept, PreAuthLayer, SessionContext, Verifier, gate, pre_auth};

async fn ticks(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    assert!(!request.headers().contains_key("authorization"));
    let session = request.extensions().get::<SessionContext>().unwrap();
    let text = format!("{} {}", session.payer, request.uri());
    Ok(greet(request, text))
}

async fn serve(facilitator: &Facilitator, accept: Accept) -> Served {
    let verifier = Verifier::builder(URL).accept(accept).jwks_json(&facilitator.jwks).unwrap();
    let layer = PreAuthLayer::new(URL, "ticks".parse().unwrap(), "0xabc").unwrap();
    Served::start(pre_auth(gate(service_fn(ticks), verifier, "ticks".parse().unwrap()), layer)).await
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

#[tokio::test]
async fn serves_the_pre_auth_route() {
    let facilitator = Served::start(service_fn(|request: Request<Incoming>| async move {
        let answer = Response::builder().status(402).header("payment-required", request.uri().path());
        Ok(answer.body(Full::<Bytes>::default()).unwrap())
    }))
    .await;
    let layer = PreAuthLayer::new(&facilitator.url(""), "ticks".parse().unwrap(), "0xabc").unwrap();
    let server = Served::start(pre_auth(service_fn(ticks), layer.route("/pay"))).await;
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let answer = client.get(server.url("/pay").parse().unwrap()).await.unwrap();
    assert_eq!(answer.status(), 402);
    assert_eq!(answer.headers()["payment-required"], "/feeds/ticks/session");
}
