//! The public service.

use super::answer::{Answer, Problem};
use super::body::Body;
use super::{accounts, close_codes};
use crate::Relay;
use crate::asp;
use crate::bridge::Door;
use crate::call::PREFIX;
use crate::orchestrator;
use http::header::ALLOW;
use http::{Method, Request, Response, StatusCode};
use http_body::Body as Received;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tollwire_gate::http::GateService;
use tower_service::Service;

/// Where WebSockets are opened.
const SOCKET: &str = "/api/ws/relay";

/// Where apps and agents connect to the bridge.
const APP: &str = "/v1/ws/app";
const AGENT: &str = "/v1/ws/agent";

const CLOSE_CODES: &str = "/close-codes";

/// What agents talk to. Cheap to clone; one clone per connection. hyper must serve it with upgrades, over
/// `TokioIo<tollwire_wire::Transport>`.
#[derive(Clone)]
pub struct RelayService(Relay);

impl RelayService {
    /// The public face of a broker.
    pub fn new(relay: Relay) -> Self {
        Self(relay)
    }
}

impl<B> Service<Request<B>> for RelayService
where
    B: Received + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let relay = self.0.clone();
        Box::pin(async move {
            Ok(match asp::events_of(request.uri().path()) {
                Some(Ok(session)) => relay.asp_events(session, request).await,
                _ => serve(&relay, request).await.map(Body::from),
            })
        })
    }
}

async fn serve<B>(relay: &Relay, request: Request<B>) -> Answer
where
    B: Received + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let path = request.uri().path();
    if path.starts_with(PREFIX) {
        return relay.call(request).await;
    }
    if let Some(gate) = relay.accounts().filter(|_| accounts::is_public(path)) {
        let Ok(answer) = GateService::new(Arc::clone(gate)).call(request).await;
        return answer;
    }
    if asp::is_ours(path) {
        return relay.asp(request).await;
    }
    if orchestrator::is_ours(path) {
        return relay.orchestrate(request).await;
    }
    match (path, request.method()) {
        (SOCKET, &Method::GET) => relay.open(request),
        (APP, &Method::GET) => relay.open_bridge(Door::App, request),
        (AGENT, &Method::GET) => relay.open_bridge(Door::Agent, request),
        (CLOSE_CODES, &Method::GET | &Method::HEAD) => close_codes::get(),
        (SOCKET | APP | AGENT | CLOSE_CODES, _) => {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "this path takes GET")
                .header(ALLOW, "GET")
                .into_answer()
        }
        _ => super::nothing_here(),
    }
}
