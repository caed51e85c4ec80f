//! Only paid requests get through.

use crate::{AnswerBody, AnswerFuture, FeedGate, Verifier};
use http::{Request, Response};
use hyper::service::Service;
use tollwire_x402::FeedId;

/// Gates a service: it sees only requests whose token admits to `feed`.
///
/// The token is gone from what it sees, and the [`SessionContext`](crate::SessionContext) is in the request's
/// extensions. Everybody else is answered 400, 401, 402, 403 or 503 with `application/problem+json`.
pub fn gate<S>(service: S, verifier: Verifier, feed: FeedId) -> Gated<S> {
    Gated { service, gate: FeedGate::new(verifier, feed) }
}

/// A gated service; made by [`gate`].
#[derive(Debug, Clone)]
pub struct Gated<S> {
    service: S,
    gate: FeedGate,
}

impl<S, Q, A> Service<Request<Q>> for Gated<S>
where
    S: Service<Request<Q>, Response = Response<A>>,
{
    type Response = Response<AnswerBody<A>>;
    type Error = S::Error;
    type Future = AnswerFuture<S::Future>;

    fn call(&self, request: Request<Q>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        match self.gate.admit(&mut head) {
            Ok(_) => AnswerFuture::inner(self.service.call(Request::from_parts(head, body))),
            Err(refusal) => AnswerFuture::ready(refusal.response()),
        }
    }
}
