//! A provider made of tower services, on a real socket, with real WebSockets.
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail loudly")]

mod support;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};
use support::{Facilitator, Served, URL, greet};
use tollwire_middleware::{Accept, FeedGate, PreAuthLayer, Verifier};
use tower_layer::Layer as _;

/// The provider: a gate and a greeting.
#[derive(Clone)]
struct Provider(FeedGate);

impl tower_service::Service<Request<Incoming>> for Provider {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        ready(Ok(match self.0.admit(&mut head) {
            Ok(session) => {
                assert!(!head.headers.contains_key("authorization"));
                assert_eq!(self.0.admit(&mut head), Ok(session.clone()), "asking again uses nothing up");
                let text = format!("{} {}", session.payer, head.uri);
                greet(Request::from_parts(head, body), text)
            }
            Err(refusal) => refusal.response().map(Full::new),
        }))
    }
}

async fn serve(facilitator: &Facilitator, accept: Accept) -> Served {
    let verifier = Verifier::builder(URL).accept(accept).jwks_json(&facilitator.jwks).unwrap();
    let provider = Provider(FeedGate::new(verifier, "ticks".parse().unwrap()));
    let layer = PreAuthLayer::new(URL, "ticks".parse().unwrap(), "0xabc").unwrap();
    Served::start(TowerToHyperService::new(layer.layer(provider))).await
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
