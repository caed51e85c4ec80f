//! The tower service: the route, or the service behind it.

use super::{PreAuthLayer, ResponseFuture};
use crate::AnswerBody;
use http::{Request, Response};
use std::task::{Context, Poll};
use tower_service::Service;

/// A service with the pre-auth route in front; made by [`PreAuthLayer`](super::PreAuthLayer).
#[derive(Clone, Debug)]
pub struct PreAuth<S> {
    inner: S,
    layer: PreAuthLayer,
}

impl<S> PreAuth<S> {
    pub(super) fn new(inner: S, layer: PreAuthLayer) -> Self {
        Self { inner, layer }
    }
}

impl<S, Q, A> Service<Request<Q>> for PreAuth<S>
where
    S: Service<Request<Q>, Response = Response<A>>,
{
    type Response = Response<AnswerBody<A>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        match self.layer.answer(&request) {
            Some(answer) => ResponseFuture::own(answer),
            None => ResponseFuture::inner(self.inner.call(request)),
        }
    }
}
