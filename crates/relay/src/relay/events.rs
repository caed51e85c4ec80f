//! Streams of events, which take a place among all connections as WebSockets do.

use super::Relay;
use crate::http::{Body, Problem, nothing_here};
use crate::telemetry;
use http::header::ALLOW;
use http::{Method, Request, Response, StatusCode};
use std::sync::Arc;
use tollwire_asp::SessionId;

impl Relay {
    /// Streams the events of an agent session. Must be called within a tokio runtime.
    pub(crate) async fn asp_events<B>(&self, session: SessionId, request: Request<B>) -> Response<Body> {
        let shared = &self.0;
        let Some(asp) = shared.asp.clone() else { return nothing_here().map(Body::from) };
        if request.method() != Method::GET {
            let problem =
                Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "this path takes GET");
            return problem.header(ALLOW, "GET").into_answer().map(Body::from);
        }
        if let Err(refused) = self.may_open(&request) {
            return (*refused).map(Body::from);
        }
        let Ok(seat) = Arc::clone(&shared.seats).try_acquire_owned() else {
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "too many connections");
            return problem.into_answer().map(Body::from);
        };
        let (head, _) = request.into_parts();
        let place = (seat, telemetry::Open::new());
        asp.events(
            &session,
            &head,
            (shared.limits.queue_bytes_max, &shared.tasks),
            (shared.stop.clone(), shared.cut.clone()),
            place,
        )
        .await
    }
}
