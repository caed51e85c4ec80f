//! The operator's service: health and metrics for anyone on its listener, the rest for the holder of the token. Belongs on
//! a listener of its own.

use super::answer::{Answer, Problem, json, of_type};
use super::{accounts, apis, registrations};
use crate::Relay;
use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri};
use http_body::Body;
use http_body_util::{BodyExt as _, Limited};
use serde_json::json as value;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tollwire_gate::http::{AdminService as GateAdmin, AdminToken, RenderMetrics};
use tower_service::Service;

/// The longest body of a request, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// How long it may take to come.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// `/healthz`, `/readyz`, `/metrics`, and with a token `/admin/*`.
#[derive(Clone)]
pub struct AdminService {
    relay: Relay,
    token: Option<AdminToken>,
    metrics: RenderMetrics,
}

impl AdminService {
    /// The admin face of a broker. Without a token there is no `/admin/*`.
    pub fn new(relay: Relay, token: Option<AdminToken>, metrics: RenderMetrics) -> Self {
        Self { relay, token, metrics }
    }

    async fn serve<B>(&self, request: Request<B>) -> Answer
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if let Some((mut gate, uri)) = self.of_accounts(request.uri()) {
            let mut request = request;
            *request.uri_mut() = uri;
            let Ok(answer) = gate.call(request).await;
            return answer;
        }
        let (head, body) = request.into_parts();
        if let Some(path) = head.uri.path().strip_prefix("/admin/") {
            return self.administer(&head, path, body).await;
        }
        match head.uri.path() {
            "/healthz" | "/readyz" | "/metrics" if !matches!(head.method, Method::GET | Method::HEAD) => {
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
            _ => super::nothing_here(),
        }
    }

    /// The gate's own service and its own path, if a request is about prepaid accounts.
    fn of_accounts(&self, uri: &Uri) -> Option<(GateAdmin, Uri)> {
        let (gate, token) = (self.relay.accounts()?, self.token.clone()?);
        let own = accounts::admin(uri)?;
        Some((GateAdmin::new(Arc::clone(gate), token, Arc::clone(&self.metrics)), own))
    }

    async fn administer<B>(&self, head: &http::request::Parts, path: &str, body: B) -> Answer
    where
        B: Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let Some(token) = &self.token else { return super::nothing_here() };
        if !token.admits(&head.headers).unwrap_or(false) {
            return AdminToken::missing();
        }
        let whole = tokio::time::timeout(BODY_WITHIN, Limited::new(body, BODY_BYTES_MAX).collect()).await;
        let Ok(Ok(whole)) = whole.map(|whole| whole.map(|whole| -> Bytes { whole.to_bytes() })) else {
            let problem =
                Problem::new(StatusCode::BAD_REQUEST, "bad-request", "the body is too long or late");
            return problem.into_answer();
        };
        let words: Vec<&str> = path.split('/').collect();
        if let ["apis", rest @ ..] = words.as_slice() {
            return match rest {
                [] => apis::serve(self.relay.registry(), &head.method, None, &whole).await,
                [id] => apis::serve(self.relay.registry(), &head.method, Some(id), &whole).await,
                _ => super::nothing_here(),
            };
        }
        if let ["asp", rest @ ..] = words.as_slice() {
            let Some(asp) = self.relay.agent_sessions() else { return super::nothing_here() };
            return asp.administer(&head.method, rest, &whole).await;
        }
        if let Some(orchestrator) = self.relay.orchestrator()
            && let Some(answer) = orchestrator.administer(&head.method, &words, &whole).await
        {
            return answer;
        }
        let Some(bridge) = self.relay.bridge() else { return super::nothing_here() };
        registrations::serve(bridge, &head.method, (path, head.uri.query()), &whole).await
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
        let admin = self.clone();
        Box::pin(async move { Ok(admin.serve(request).await) })
    }
}
