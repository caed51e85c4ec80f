//! The tower service: the route, or the service behind it.

use super::ResponseFuture;
use super::forward::Forward;
use crate::AnswerBody;
use http::{Method, Request, Response};
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_service::Service;

/// A service with the pre-auth route in front; made by [`PreAuthLayer`](super::PreAuthLayer).
#[derive(Clone, Debug)]
pub struct PreAuth<S> {
    inner: S,
    route: Arc<str>,
    forward: Arc<Forward>,
}

impl<S> PreAuth<S> {
    pub(super) fn new(inner: S, route: Arc<str>, forward: Arc<Forward>) -> Self {
        Self { inner, route, forward }
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
        if request.method() == Method::GET && request.uri().path() == &*self.route {
            let forward = self.forward.clone();
            let headers = request.into_parts().0.headers;
            ResponseFuture::own(Box::pin(async move { forward.answer(&headers).await }))
        } else {
            ResponseFuture::inner(self.inner.call(request))
        }
    }
}
