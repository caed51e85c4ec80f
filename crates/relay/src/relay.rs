//! The broker as a whole: opens connections, makes calls, drains.

use crate::asp::{self, Asp};
use crate::bridge::{Bridge, Door, handshake_token};
use crate::call::{Apis, Caller, Desk, Payees, Registry, Session, Upstream, offer_timeout_secs, twin};
use crate::http::{Answer, Problem, preflight, readable};
use crate::runtime::{self, Budget, Origins, Outbox};
use crate::store::{Rows, StoreError};
use crate::{Limits, telemetry};
use http::header::{
    ACCESS_CONTROL_REQUEST_METHOD, ALLOW, AUTHORIZATION, ORIGIN, SEC_WEBSOCKET_VERSION, WWW_AUTHENTICATE,
};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Collected, Limited};
use hyper::upgrade::OnUpgrade;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tollwire_asp::SessionId;
use tollwire_gate::Gate;
use tollwire_ledger::Clock;
use tollwire_wire::tls::RootsError;
use tollwire_x402::{Facilitator, Network};
use url::Url;

/// How long connections that were told to go may take for their last words.
const LAST_WORDS: Duration = Duration::from_secs(20);

/// How long the body of a request about an agent session may take.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// A row that nobody writes: reading it tells whether the store answers.
const READY: &str = "ready";

/// What a broker is made of.
#[derive(Default)]
pub struct RelayConfig {
    /// The registered APIs.
    pub apis: Apis,
    /// Which web pages may use it.
    pub origins: Origins,
    /// Bounds and time-outs.
    pub limits: Limits,
    /// The messaging bridge; none if left out.
    pub bridge: Option<Bridge>,
    /// Agent sessions; none if left out.
    pub asp: Option<Asp>,
    /// Authorities that APIs' certificates may be signed by, beside the public ones (PEM).
    pub roots_pem: Option<String>,
    /// Where it keeps what must outlive it.
    pub rows: Option<Arc<dyn Rows>>,
    /// How calls are paid for that it prices; needs `rows`.
    pub payments: Option<Payments>,
}

/// How calls are paid for.
#[derive(Clone)]
pub struct Payments {
    /// Who verifies and settles.
    pub facilitator: Arc<dyn Facilitator>,
    /// Whether it answers the same payment the same, however often it is asked: a refusal is then the last word even
    /// about a payment that may have been settled before.
    pub remembers: bool,
    /// The URL that agents use.
    pub public_url: Url,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Told whom calls pay, whenever that changes.
    pub payees: Option<Payees>,
    /// Wallets that take deposits here, by network: nobody is paid there for a call.
    pub own_wallets: BTreeMap<Network, String>,
    /// Prepaid accounts: sessions of unit `usdc` that this gate sells.
    pub accounts: Option<Arc<Gate>>,
}

impl std::fmt::Debug for RelayConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RelayConfig")
            .field("apis", &self.apis)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Why a broker cannot start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The extra authorities cannot be used.
    #[error("extra authorities: {0}")]
    Roots(#[from] RootsError),
}

/// A broker. Cheap to clone; clones are one broker.
#[derive(Clone)]
pub struct Relay(Arc<Shared>);

struct Shared {
    caller: Arc<Caller>,
    registry: Registry,
    bridge: Option<Bridge>,
    asp: Option<Asp>,
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
        let RelayConfig { apis, origins, limits, bridge, asp, roots_pem, rows, payments } = config;
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

    /// Opens a WebSocket for calls: the 101, or why not. Must be called within a tokio runtime.
    pub(crate) fn open<B>(&self, mut request: Request<B>) -> Answer {
        let shared = &self.0;
        let account = match self.may_open(&request).and_then(|()| self.account(&request)) {
            Ok(account) => account,
            Err(refused) => return *refused,
        };
        match self.upgrade(&mut request) {
            Ok((answer, upgrade, seat)) => {
                shared.tasks.spawn(Arc::clone(shared).connection(upgrade, seat, account));
                answer
            }
            Err(refused) => *refused,
        }
    }

    /// The session token that a connection is opened with, if accounts pay here and it is one's.
    fn account<B>(&self, request: &Request<B>) -> Result<Option<HeaderValue>, Box<Answer>> {
        let Some(gate) = &self.0.accounts else { return Ok(None) };
        let (headers, query) = (request.headers(), request.uri().query());
        let presented = headers.contains_key(AUTHORIZATION)
            || query.is_some_and(|query| query.split('&').any(|pair| pair.starts_with("token=")));
        if !presented {
            return Ok(None);
        }
        let refused = |why: String| {
            let problem = Problem::new(StatusCode::UNAUTHORIZED, "account-refused", why);
            Box::new(problem.header(WWW_AUTHENTICATE, "Bearer").into_answer())
        };
        let token = handshake_token(headers, query)
            .ok_or_else(|| refused("send one session token, as Bearer or as ?token=".to_owned()))?;
        gate.account(&token).map_err(|error| refused(error.to_string()))?;
        let mut value = HeaderValue::try_from(token.as_ref())
            .map_err(|_| refused("this is no session token".to_owned()))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    /// Opens a WebSocket to the bridge: the 101, or why not. Must be called within a tokio runtime.
    pub(crate) fn open_bridge<B>(&self, door: Door, mut request: Request<B>) -> Answer {
        let shared = &self.0;
        let Some(bridge) = shared.bridge.clone() else { return crate::http::nothing_here() };
        let admitted = self.may_open(&request).and_then(|()| bridge.admit(door, &request));
        let guest = match admitted {
            Ok(guest) => guest,
            Err(refused) => return *refused,
        };
        let (answer, upgrade, seat) = match self.upgrade(&mut request) {
            Ok(upgraded) => upgraded,
            Err(refused) => return *refused,
        };
        let shared = Arc::clone(shared);
        shared.tasks.clone().spawn(async move {
            let frame_bytes_max = bridge.frame_bytes_max();
            let Some(socket) = runtime::take_over(upgrade, frame_bytes_max).await else { return };
            let open = telemetry::Open::new();
            let ends = (shared.stop.clone(), shared.cut.clone());
            let ending = bridge.serve(guest, socket, (&shared.limits, &shared.tasks), ends).await;
            telemetry::closed(ending.code());
            drop((open, seat));
        });
        answer
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

    fn open_asp<B>(&self, asp: Asp, session: SessionId, mut request: Request<B>) -> Answer {
        if request.method() != Method::GET {
            let wrong =
                Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "this path takes GET");
            return wrong.header(ALLOW, "GET").into_answer();
        }
        let opened = self.may_open(&request).and_then(|()| self.upgrade(&mut request));
        let (answer, upgrade, seat) = match opened {
            Ok(upgraded) => upgraded,
            Err(refused) => return *refused,
        };
        let shared = Arc::clone(&self.0);
        shared.tasks.clone().spawn(async move {
            let Some(socket) = runtime::take_over(upgrade, asp.frame_bytes_max()).await else { return };
            let open = telemetry::Open::new();
            let ends = (shared.stop.clone(), shared.cut.clone());
            let ending = asp.serve(session, socket, (&shared.limits, &shared.tasks), ends).await;
            telemetry::closed(ending.code());
            drop((open, seat));
        });
        answer
    }

    /// Whether a connection may be opened at all.
    fn may_open<B>(&self, request: &Request<B>) -> Result<(), Box<Answer>> {
        if !self.0.origins.allow(request.headers()) {
            return Err(Box::new(foreign_page()));
        }
        if self.is_draining() {
            let draining = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "draining", "connect again");
            return Err(Box::new(draining.into_answer()));
        }
        Ok(())
    }

    /// The 101, what comes after it, and its place among all connections.
    fn upgrade<B>(
        &self,
        request: &mut Request<B>,
    ) -> Result<(Answer, OnUpgrade, OwnedSemaphorePermit), Box<Answer>> {
        let (answer, upgrade) = runtime::accept(request).map_err(|refused| {
            let problem = Problem::new(refused.status, "handshake", refused.why);
            Box::new(problem.header(SEC_WEBSOCKET_VERSION, "13").into_answer())
        })?;
        let seat = Arc::clone(&self.0.seats).try_acquire_owned().map_err(|_| {
            Box::new(
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "too many connections")
                    .into_answer(),
            )
        })?;
        Ok((answer, upgrade, seat))
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
        if let Some(bridge) = &shared.bridge {
            bridge.stop().await;
        }
        if let Some(asp) = &shared.asp {
            asp.stop().await;
        }
    }
}

impl Shared {
    /// One connection, to its end.
    async fn connection(
        self: Arc<Self>,
        upgrade: OnUpgrade,
        seat: OwnedSemaphorePermit,
        account: Option<HeaderValue>,
    ) {
        let Some(socket) = runtime::take_over(upgrade, self.limits.frame_bytes_max).await else { return };
        let open = telemetry::Open::new();
        let budget = Budget::new(self.limits.queue_bytes_max);
        let outbox = Arc::new(Outbox::new(self.limits.queue_bytes_max));
        let session = Session::new(
            Arc::clone(&self.caller),
            Arc::clone(&outbox),
            budget,
            self.tasks.clone(),
            (self.limits.calls_per_socket_max, account),
        );
        let ending =
            runtime::run(socket, &session, &outbox, &self.limits, (self.stop.clone(), self.cut.clone()))
                .await;
        telemetry::closed(ending.code());
        drop((session, open, seat));
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
