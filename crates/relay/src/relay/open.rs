//! Opening connections: who may, what each kind of them is served by, and its place among all.

use super::{Relay, Shared, foreign_page};
use crate::asp::{Asp, Encoding};
use crate::bridge::{Door, handshake_token};
use crate::call::Session;
use crate::http::{Answer, Problem};
use crate::orchestrator::Orchestrator;
use crate::runtime::{self, Budget, Ending, Outbox, Socket};
use crate::telemetry;
use http::header::{ALLOW, AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Request, StatusCode};
use hyper::upgrade::OnUpgrade;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tollwire_asp::SessionId;

/// The 101, what comes after it, and a place among all connections; or why not.
type Upgraded = Result<(Answer, OnUpgrade, OwnedSemaphorePermit), Box<Answer>>;

impl Relay {
    /// Opens a WebSocket for calls: the 101, or why not. Must be called within a tokio runtime.
    pub(crate) fn open<B>(&self, mut request: Request<B>) -> Answer {
        let account = match self.may_open(&request).and_then(|()| self.account(&request)) {
            Ok(account) => account,
            Err(refused) => return *refused,
        };
        let upgraded = self.upgrade(&mut request);
        self.serve(upgraded, self.0.limits.frame_bytes_max, |shared, socket| async move {
            let budget = Budget::new(shared.limits.queue_bytes_max);
            let outbox = Arc::new(Outbox::new(shared.limits.queue_bytes_max));
            let session = Session::new(
                Arc::clone(&shared.caller),
                Arc::clone(&outbox),
                budget,
                shared.tasks.clone(),
                (shared.limits.calls_per_socket_max, account),
            );
            let ends = (shared.stop.clone(), shared.cut.clone());
            runtime::run(socket, &session, &outbox, &shared.limits, ends).await
        })
    }

    /// Opens a WebSocket to the bridge: the 101, or why not. Must be called within a tokio runtime.
    pub(crate) fn open_bridge<B>(&self, door: Door, mut request: Request<B>) -> Answer {
        let Some(bridge) = self.0.bridge.clone() else { return crate::http::nothing_here() };
        let guest = match self.may_open(&request).and_then(|()| bridge.admit(door, &request)) {
            Ok(guest) => guest,
            Err(refused) => return *refused,
        };
        let upgraded = self.upgrade(&mut request);
        self.serve(upgraded, bridge.frame_bytes_max(), |shared, socket| async move {
            let ends = (shared.stop.clone(), shared.cut.clone());
            bridge.serve(guest, socket, (&shared.limits, &shared.tasks), ends).await
        })
    }

    /// Opens a WebSocket to an agent session. Must be called within a tokio runtime.
    pub(super) fn open_asp<B>(&self, asp: Asp, session: SessionId, mut request: Request<B>) -> Answer {
        if request.method() != Method::GET {
            let wrong =
                Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "this path takes GET");
            return wrong.header(ALLOW, "GET").into_answer();
        }
        let offered = Encoding::offered(request.headers());
        let mut upgraded = self.may_open(&request).and_then(|()| self.upgrade(&mut request));
        if let (Ok((answer, ..)), Some((_, name))) = (&mut upgraded, offered) {
            answer.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(name));
        }
        let whose = (session, offered.map(|(encoding, _)| encoding).unwrap_or_default());
        self.serve(upgraded, asp.frame_bytes_max(), |shared, socket| async move {
            let ends = (shared.stop.clone(), shared.cut.clone());
            asp.serve(whose, socket, (&shared.limits, &shared.tasks), ends).await
        })
    }

    /// Opens a person's WebSocket. Whatever is wrong with the token or the session is said on the WebSocket: no close code can
    /// be told before it is there.
    pub(super) fn open_orchestrator<B>(
        &self,
        ours: Orchestrator,
        session: String,
        mut request: Request<B>,
    ) -> Answer {
        if request.method() != Method::GET {
            let wrong =
                Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "this path takes GET");
            return wrong.header(ALLOW, "GET").into_answer();
        }
        let (token, protocol) = person_s_token(&request);
        let mut upgraded = self.may_open(&request).and_then(|()| self.upgrade(&mut request));
        if let (Ok((answer, ..)), Some(protocol)) = (&mut upgraded, protocol) {
            answer.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        self.serve(upgraded, ours.frame_bytes_max(), |shared, socket| async move {
            let ends = (shared.stop.clone(), shared.cut.clone());
            ours.serve((&session, token.as_deref()), socket, &shared.limits, ends).await
        })
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

    /// Whether a connection may be opened at all.
    pub(super) fn may_open<B>(&self, request: &Request<B>) -> Result<(), Box<Answer>> {
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
    fn upgrade<B>(&self, request: &mut Request<B>) -> Upgraded {
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

    /// Answers with the 101 and serves what comes after it, to its end.
    fn serve<F>(
        &self,
        upgraded: Upgraded,
        frame_bytes_max: usize,
        serve: impl FnOnce(Arc<Shared>, Socket) -> F + Send + 'static,
    ) -> Answer
    where
        F: Future<Output = Ending> + Send,
    {
        let (answer, upgrade, seat) = match upgraded {
            Ok(upgraded) => upgraded,
            Err(refused) => return *refused,
        };
        let shared = Arc::clone(&self.0);
        self.0.tasks.spawn(async move {
            let Some(socket) = runtime::take_over(upgrade, frame_bytes_max).await else { return };
            let open = telemetry::Open::new();
            let ending = serve(shared, socket).await;
            telemetry::closed(ending.code());
            drop((open, seat));
        });
        answer
    }
}

/// The token that a person opens a session with, and the subprotocol to answer with, if any was offered. Pages cannot set
/// headers, and what stands in an URL ends up in logs; so the token may be a subprotocol of its own: `bearer.<token>`. Another
/// one that is offered beside it is chosen, so that the token need not be said back.
fn person_s_token<B>(request: &Request<B>) -> (Option<String>, Option<HeaderValue>) {
    const BEARER: &str = "bearer.";
    let lines = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let offered: Vec<&str> =
        lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(',')).map(str::trim).collect();
    let bearer = offered.iter().find_map(|name| name.strip_prefix(BEARER)).map(str::to_owned);
    let chosen = offered.iter().find(|name| !name.starts_with(BEARER)).or(offered.first());
    let chosen = chosen.and_then(|name| HeaderValue::from_str(name).ok());
    let token = handshake_token(request.headers(), request.uri().query());
    (token.map(std::borrow::Cow::into_owned).or(bearer), chosen)
}
