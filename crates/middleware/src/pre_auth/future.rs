//! The answer to come, from either side.

use super::layer::Answer;
use crate::AnswerBody;
use http::Response;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project! {
    /// The future of [`PreAuth`](super::PreAuth).
    pub struct ResponseFuture<F> {
        #[pin]
        kind: Kind<F>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<F> {
        Own { future: Answer },
        Inner { #[pin] future: F },
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn own(future: Answer) -> Self {
        Self { kind: Kind::Own { future } }
    }

    pub(super) fn inner(future: F) -> Self {
        Self { kind: Kind::Inner { future } }
    }
}

impl<F, A, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<A>, E>>,
{
    type Output = Result<Response<AnswerBody<A>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProjection::Own { future } => future.as_mut().poll(context).map(AnswerBody::own).map(Ok),
            KindProjection::Inner { future } => future.poll(context).map_ok(AnswerBody::inner),
        }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}
