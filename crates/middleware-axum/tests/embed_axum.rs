//! A provider made with axum, on a real socket, with real WebSockets.
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail loudly")]

#[path = "../../middleware/tests/support/mod.rs"]
mod support;

use axum::Router;
use axum::extract::FromRef;
use axum::response::Response;
use axum::routing::get;
use hyper_util::service::TowerToHyperService;
use support::{Facilitator, Served, URL, greet};
use tollwire_middleware_axum::{
    Accept, FeedGate, PaidSession, PreAuthLayer, Rejection, Verifier, VerifyError,
};

/// A provider's own state, of which the gate is a part.
#[derive(Clone)]
struct App {
    gate: FeedGate,
}

impl FromRef<App> for FeedGate {
    fn from_ref(app: &App) -> Self {
        app.gate.clone()
    }
}

async fn ticks(PaidSession(session): PaidSession, request: axum::extract::Request) -> Response {
    assert!(!request.headers().contains_key("authorization"));
    let text = format!("{} {}", session.payer, request.uri());
    greet(request, text).map(axum::body::Body::new)
}

async fn serve(facilitator: &Facilitator, accept: Accept) -> Served {
    let verifier = Verifier::builder(URL).accept(accept).jwks_json(&facilitator.jwks).unwrap();
    let gate = FeedGate::new(verifier, "ticks".parse().unwrap());
    let pre_auth = PreAuthLayer::new(URL, "ticks".parse().unwrap(), "0xabc").unwrap();
    let app: Router = Router::new()
        .route("/ws", get(ticks))
        .route("/healthz", get(|| async { "fine" }))
        .layer(pre_auth)
        .with_state(App { gate });
    let app = app.into_service::<hyper::body::Incoming>();
    Served::start(TowerToHyperService::new(app)).await
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

#[test]
fn each_refusal_is_named_by_its_status() {
    use tollwire_session::Error;
    type Kind = fn(VerifyError) -> Rejection;
    let unpaid = VerifyError::PaymentRequired { session_url: URL.into() };
    let table: [(VerifyError, Kind, u16); 10] = [
        (VerifyError::Ambiguous, Rejection::BadRequest, 400),
        (VerifyError::Missing, Rejection::Unauthorized, 401),
        (VerifyError::Replayed, Rejection::Unauthorized, 401),
        (VerifyError::ProofRequired, Rejection::Unauthorized, 401),
        (Error::Signature.into(), Rejection::Unauthorized, 401),
        (unpaid, Rejection::PaymentRequired, 402),
        (Error::Expired.into(), Rejection::Forbidden, 403),
        (Error::WrongFeed.into(), Rejection::Forbidden, 403),
        (VerifyError::Busy, Rejection::Unavailable, 503),
        (VerifyError::NotInstalled, Rejection::Internal, 500),
    ];
    for (reason, kind, status) in table {
        let rejection = Rejection::from(reason.clone());
        assert_eq!(rejection, kind(reason));
        assert_eq!(rejection.status(), status);
    }
}
