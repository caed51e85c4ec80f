//! The broker as a whole: what it is made of, makes calls, drains.

mod config;
mod events;
mod open;

pub use config::{Payments, RelayConfig, StartError};

use crate::Limits;
use crate::asp::{self, Asp};
use crate::bridge::Bridge;
use crate::call::{Apis, Caller, Desk, Registry, Upstream, offer_timeout_secs, twin};
use crate::http::{Answer, Problem, preflight, readable};
use crate::orchestrator::{self, Orchestrator};
use crate::runtime::Origins;
use crate::store::{Rows, StoreError};
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use http::{Method, Request, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Collected, Limited};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tollwire_gate::Gate;

/// How long connections that were told to go may take for their last words.
const LAST_WORDS: Duration = Duration::from_secs(20);

/// How long the body of a request about a session may take.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// A row that nobody writes: reading it tells whether the store answers.
const READY: &str = "ready";

/// A broker. Cheap to clone; clones are one broker.
#[derive(Clone)]
pub struct Relay(Arc<Shared>);

struct Shared {
    caller: Arc<Caller>,
    registry: Registry,
    bridge: Option<Bridge>,
    asp: Option<Asp>,
    orchestrator: Option<Orchestrator>,
    origins: Origins,
    rows: Option<Arc<dyn Rows>>,
    desk: Option<Arc<Desk>>,
    accounts: Option<Arc<Gate>>,
    limits: Limits,
    seats: Arc<Semaphore>,
    /// Connections and calls.
    tasks: TaskTracker,
    /// No new work.
    stop: CancellationToken,
    /// An end now.
    cut: CancellationToken,
}

impl Relay {
    /// A broker for these APIs.
    pub fn new(config: RelayConfig) -> Result<Self, StartError> {
        let RelayConfig { apis, origins, limits, bridge, asp, orchestrator, roots_pem, rows, payments } =
            config;
        let upstream = Arc::new(Upstream::new(roots_pem.as_deref(), &limits)?);
        let tasks = TaskTracker::new();
        let timeout_secs = offer_timeout_secs(limits.connect + limits.answer.saturating_mul(2));
        let payees = payments.as_ref().and_then(|payments| payments.payees.clone());
        let own_wallets = payments.as_ref().map(|payments| payments.own_wallets.clone());
        let accounts = payments.as_ref().and_then(|payments| payments.accounts.clone());
        let desk = payments.zip(rows.clone()).map(|(payments, rows)| {
            Arc::new(Desk::new(payments, rows, Arc::clone(&upstream), timeout_secs, tasks.clone()))
        });
        let caller =
            Arc::new(Caller::new(upstream, desk.clone(), limits.calls_max, limits.request_bytes_max));
        let registry = Registry::new(apis, Arc::clone(&caller), rows.clone(), payees, own_wallets);
        Ok(Self(Arc::new(Shared {
            caller,
            registry,
            bridge,
            asp,
            orchestrator,
            origins,
            rows,
            desk,
            accounts,
            seats: Arc::new(Semaphore::new(limits.sockets_max.min(Semaphore::MAX_PERMITS))),
            limits,
            tasks,
            stop: CancellationToken::new(),
            cut: CancellationToken::new(),
        })))
    }

    /// Reads the APIs that were registered before.
    pub async fn load(&self) -> Result<(), StoreError> {
        self.0.registry.load().await
    }

    /// The registered APIs.
    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// Keeps up with what other brokers are told, and asks after payments in doubt, until the broker has been drained. Without it they are asked after when they are
    /// presented again, and only then.
    pub async fn reconcile(&self) {
        let doubts = async {
            match &self.0.desk {
                Some(desk) => Arc::clone(desk).reconcile().await,
                None => std::future::pending().await,
            }
        };
        self.0.cut.run_until_cancelled(async { tokio::join!(doubts, self.0.registry.watch()) }).await;
    }

    /// Takes over other APIs; calls under way go on.
    pub fn configure(&self, apis: Apis) {
        self.0.registry.configure(apis);
    }

    /// Why nothing should be sent here now.
    pub(crate) async fn unready(&self) -> Option<String> {
        if self.is_draining() {
            return Some("draining".to_owned());
        }
        let rows = self.0.rows.as_ref()?;
        rows.row(READY).await.err().map(|error| error.to_string())
    }

    /// Whether it takes no new connections.
    pub fn is_draining(&self) -> bool {
        self.0.stop.is_cancelled()
    }

    /// The gate of prepaid accounts, if there are any.
    pub(crate) fn accounts(&self) -> Option<&Arc<Gate>> {
        self.0.accounts.as_ref()
    }

    /// The messaging bridge, if there is one.
    pub fn bridge(&self) -> Option<&Bridge> {
        self.0.bridge.as_ref()
    }

    /// Agent sessions, if there are any.
    pub fn agent_sessions(&self) -> Option<&Asp> {
        self.0.asp.as_ref()
    }

    /// Opens a WebSocket to an agent session, or answers what is asked about one over HTTP. Must be called within a tokio
    /// runtime.
    pub(crate) async fn asp<B>(&self, request: Request<B>) -> Answer
    where
        B: Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let Some(asp) = self.0.asp.clone() else { return crate::http::nothing_here() };
        match asp::socket_of(request.uri().path()) {
            Some(Ok(session)) => return self.open_asp(asp, session, request),
            Some(Err(())) => return crate::http::nothing_here(),
            None => {}
        }
        if !self.0.origins.allow(request.headers()) {
            return foreign_page();
        }
        let (head, body) = request.into_parts();
        let body = Limited::new(body, asp.body_bytes_max()).collect();
        let body = timeout(BODY_WITHIN, body).await.ok().and_then(Result::ok).map(Collected::to_bytes);
        asp.answer(&head, body.as_deref()).await
    }

    /// The orchestrator, if there is one.
    pub fn orchestrator(&self) -> Option<&Orchestrator> {
        self.0.orchestrator.as_ref()
    }

    /// Opens a person's WebSocket, or answers what they ask over HTTP. Must be called within a tokio runtime.
    pub(crate) async fn orchestrate<B>(&self, request: Request<B>) -> Answer
    where
        B: Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let Some(ours) = self.0.orchestrator.clone() else { return crate::http::nothing_here() };
        if let Some(session) = orchestrator::socket_of(request.uri().path()).map(str::to_owned) {
            return self.open_orchestrator(ours, session, request);
        }
        if !self.0.origins.allow(request.headers()) {
            return foreign_page();
        }
        let (head, body) = request.into_parts();
        let body = Limited::new(body, orchestrator::BODY_BYTES_MAX).collect();
        let body = timeout(BODY_WITHIN, body).await.ok().and_then(Result::ok).map(Collected::to_bytes);
        ours.answer(&head, body.as_deref()).await
    }

    /// Makes the call of an HTTP request.
    pub(crate) async fn call<B>(&self, request: Request<B>) -> Answer
    where
        B: Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if !self.0.origins.allow(request.headers()) {
            return foreign_page();
        }
        let asks = request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if asks && request.method() == Method::OPTIONS {
            return preflight(request.headers());
        }
        let origin = request.headers().get(ORIGIN).cloned();
        readable(origin, twin(&self.0.caller, &self.0.tasks, request).await)
    }

    /// Takes no new connections and no new calls, lets calls in flight finish for at most `grace`, and closes every
    /// WebSocket with 1001, each as soon as it is idle. Returns when all have ended, at the latest 20 seconds after
    /// `grace`.
    pub async fn drain(&self, grace: Duration) {
        let shared = &self.0;
        shared.stop.cancel();
        shared.tasks.close();
        if timeout(grace, shared.tasks.wait()).await.is_err() {
            tracing::info!("draining: calls are cut off");
            shared.cut.cancel();
            if timeout(LAST_WORDS, shared.tasks.wait()).await.is_err() {
                tracing::warn!(left = shared.tasks.len(), "draining: connections or paid calls are left");
            }
        }
        shared.cut.cancel();
        // It lives on the bridge.
        if let Some(orchestrator) = &shared.orchestrator {
            orchestrator.stop().await;
        }
        if let Some(bridge) = &shared.bridge {
            bridge.stop().await;
        }
        if let Some(asp) = &shared.asp {
            asp.stop().await;
        }
    }
}

fn foreign_page() -> Answer {
    Problem::new(StatusCode::FORBIDDEN, "origin", "pages of this origin are not let in").into_answer()
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay").field("draining", &self.is_draining()).finish_non_exhaustive()
    }
}
