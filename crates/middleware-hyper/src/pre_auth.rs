//! The provider's own pre-auth route, in front of a hyper service.

use crate::{AnswerBody, AnswerFuture, PreAuthLayer};
use http::{Request, Response};
use hyper::service::Service;

/// Serves the pre-auth route; every other request goes to the service.
pub fn pre_auth<S>(service: S, layer: PreAuthLayer) -> PreAuthed<S> {
    PreAuthed { service, layer }
}

/// A service with the pre-auth route in front; made by [`pre_auth`].
#[derive(Debug, Clone)]
pub struct PreAuthed<S> {
    service: S,
    layer: PreAuthLayer,
}

impl<S, Q, A> Service<Request<Q>> for PreAuthed<S>
where
    S: Service<Request<Q>, Response = Response<A>>,
{
    type Response = Response<AnswerBody<A>>;
    type Error = S::Error;
    type Future = AnswerFuture<S::Future>;

    fn call(&self, request: Request<Q>) -> Self::Future {
        match self.layer.answer(&request) {
            Some(answer) => AnswerFuture::own(answer),
            None => AnswerFuture::inner(self.service.call(request)),
        }
    }
}
