//! The operator's service: health and metrics. Belongs on a listener of its own.

use super::answer::{Answer, Problem, json, of_type};
use crate::Relay;
use http::{Method, Request, StatusCode};
use serde_json::json as value;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_service::Service;

/// Renders all metrics as Prometheus text.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// `/healthz`, `/readyz`, `/metrics`.
#[derive(Clone)]
pub struct AdminService {
    relay: Relay,
    metrics: RenderMetrics,
}

impl AdminService {
    /// The admin face of a broker.
    pub fn new(relay: Relay, metrics: RenderMetrics) -> Self {
        Self { relay, metrics }
    }

    async fn serve(&self, method: &Method, path: &str) -> Answer {
        match path {
            "/healthz" | "/readyz" | "/metrics" if !matches!(*method, Method::GET | Method::HEAD) => {
                Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "this path takes GET")
                    .header(http::header::ALLOW, "GET")
                    .into_answer()
            }
            "/healthz" => json(StatusCode::OK, &value!({ "status": "ok" })),
            "/readyz" => match self.relay.unready().await {
                None => json(StatusCode::OK, &value!({ "status": "ready" })),
                Some(reason) => {
                    let body = value!({ "status": "not ready", "reason": reason });
                    json(StatusCode::SERVICE_UNAVAILABLE, &body)
                }
            },
            "/metrics" => {
                of_type(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", (self.metrics)())
            }
            _ => Problem::new(StatusCode::NOT_FOUND, "not-found", "nothing is served here").into_answer(),
        }
    }
}

impl<B: Send + 'static> Service<Request<B>> for AdminService {
    type Response = Answer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let admin = self.clone();
        Box::pin(async move { Ok(admin.serve(request.method(), request.uri().path()).await) })
    }
}
