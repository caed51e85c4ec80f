//! The operator's service: health and metrics for anyone on its listener, the rest for the holder of the token.

mod backup;
mod chains;
mod feeds;
mod health;
mod ledger;
mod newest;
mod overview;
mod payments;
mod payouts;
mod route;
mod sessions;

use super::admin_token::AdminToken;
use super::answer::Answer;
use super::problem::problem;
use super::route::Unrouted;
use super::service::unrouted_answer;
use crate::error::Error;
use crate::gate::Gate;
use http::{Method, Request};
use http_body::Body;
use route::Route;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_service::Service;

/// Renders all metrics as Prometheus text.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What the operator talks to. Belongs on a listener of its own.
#[derive(Clone)]
pub struct AdminService {
    gate: Arc<Gate>,
    token: AdminToken,
    metrics: RenderMetrics,
}

impl AdminService {
    /// The admin face of a gate.
    pub fn new(gate: Arc<Gate>, token: AdminToken, metrics: RenderMetrics) -> Self {
        Self { gate, token, metrics }
    }
}

impl<B> Service<Request<B>> for AdminService
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
        let service = self.clone();
        Box::pin(async move { Ok(serve(&service, request).await) })
    }
}

async fn serve<B>(service: &AdminService, request: Request<B>) -> Answer
where
    B: Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Some(route) = Route::at(request.uri().path()) else { return unrouted_answer(Unrouted::NotFound) };
    if !route.is_open() {
        match service.token.admits(request.headers()) {
            Ok(true) => {}
            Ok(false) => return AdminToken::missing(),
            Err(error) => return problem(&error).into_answer(),
        }
    }
    let methods = route.methods();
    if !methods.split(", ").any(|known| known == request.method().as_str()) {
        return unrouted_answer(Unrouted::Method(methods));
    }
    let answered = answer(service, route, request).await;
    answered.unwrap_or_else(|error| problem(&error).into_answer())
}

async fn answer<B>(service: &AdminService, route: Route, request: Request<B>) -> Result<Answer, Error>
where
    B: Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let gate = &service.gate;
    match route {
        Route::Metrics => Ok(health::metrics(gate, &service.metrics).await),
        Route::Healthz => Ok(health::alive()),
        Route::Readyz => Ok(health::ready(gate).await),
        Route::Feeds if request.method() == Method::POST => feeds::add(gate, request.into_body()).await,
        Route::Feeds => Ok(feeds::list(gate)),
        Route::Feed(id) => match *request.method() {
            Method::PATCH => feeds::change(gate, &id, request.into_body()).await,
            Method::DELETE => feeds::remove(gate, &id).await,
            _ => feeds::show(gate, &id),
        },
        Route::Sessions => {
            let (parts, _body) = request.into_parts();
            sessions::list(gate, &parts).await
        }
        Route::Overview => overview::show(gate).await,
        Route::Session(id) => sessions::show(gate, &id).await,
        Route::InDoubt => {
            let (parts, _body) = request.into_parts();
            payments::in_doubt(gate, &parts).await
        }
        Route::Chains => Ok(chains::list(gate).await),
        Route::Revoke(id) => sessions::revoke(gate, &id).await,
        Route::Close(id) => sessions::close(gate, &id).await,
        Route::Refund(id) => sessions::refund(gate, &id).await,
        Route::Ledger => ledger::report(gate).await,
        Route::Balance => ledger::balance(gate).await,
        Route::Backup => backup::write(gate, request.into_body()).await,
        Route::Payouts => {
            let post = request.method() == Method::POST;
            let (parts, _body) = request.into_parts();
            if post { payouts::run(gate, &parts).await } else { payouts::list(gate).await }
        }
    }
}
