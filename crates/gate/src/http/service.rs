//! The public service.

use super::answer::{Answer, Problem};
use super::route::{Route, Unrouted};
use super::{
    close, cors, facilitator, feeds, jwks, online, openapi, receipt, session, settlement, top_up, ws,
};
use crate::gate::Gate;
use http::header::ALLOW;
use http::{Method, Request, StatusCode};
use http_body::Body;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_service::Service;

/// What agents and providers talk to. Cheap to clone; one clone per connection.
#[derive(Clone)]
pub struct GateService(Arc<Gate>);

impl GateService {
    /// The public face of a gate.
    pub fn new(gate: Arc<Gate>) -> Self {
        Self(gate)
    }
}

impl<B> Service<Request<B>> for GateService
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
        let gate = Arc::clone(&self.0);
        Box::pin(async move { Ok(serve(&gate, request).await) })
    }
}

async fn serve<B>(gate: &Arc<Gate>, request: Request<B>) -> Answer
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let route = match Route::of(request.method(), request.uri().path()) {
        Ok(route) => route,
        Err(Unrouted::Preflight(methods)) => return cors::preflight(methods),
        Err(unrouted) => return cors::open(unrouted_answer(unrouted)),
    };
    let answer = match route {
        Route::Session(feed) => {
            let (parts, _body) = request.into_parts();
            session::get(gate, &feed, &parts).await
        }
        // The upgrade's own answer goes out as it is.
        Route::Stream(feed) => ws::get(gate, &feed, request).await,
        Route::Feeds => feeds::list(gate),
        Route::OnlineCheck => {
            let (parts, _body) = request.into_parts();
            if parts.method == Method::DELETE {
                close::delete(gate, &parts).await
            } else {
                online::get(gate, &parts).await
            }
        }
        Route::TopUp => {
            let (parts, _body) = request.into_parts();
            top_up::post(gate, &parts).await
        }
        Route::Receipt => {
            let (parts, _body) = request.into_parts();
            receipt::get(gate, &parts).await
        }
        Route::Verify => facilitator::post(gate, facilitator::Call::Verify, request).await,
        Route::Settle => facilitator::post(gate, facilitator::Call::Settle, request).await,
        Route::Settlement(network, name) => {
            let (parts, _body) = request.into_parts();
            settlement::get(gate, network, &name, &parts).await
        }
        Route::Supported => facilitator::supported(gate).await,
        Route::Jwks => jwks::get(gate),
        Route::OpenApi => openapi::get(gate),
    };
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS { answer } else { cors::open(answer) }
}

/// 404, or 405 with `Allow`.
pub(super) fn unrouted_answer(unrouted: Unrouted) -> Answer {
    match unrouted {
        Unrouted::NotFound => {
            Problem::new(StatusCode::NOT_FOUND, "not-found", "nothing is served here").into_answer()
        }
        Unrouted::Method(methods) | Unrouted::Preflight(methods) => {
            let detail = format!("this path takes {methods}");
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
                .header(ALLOW, methods)
                .into_answer()
        }
    }
}
