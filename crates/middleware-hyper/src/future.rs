//! The answer to come: the service's, or the refusal that is there already.

use crate::AnswerBody;
use bytes::Bytes;
use http::Response;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project! {
    /// The future of [`Gated`](crate::Gated).
    pub struct GatedFuture<F> {
        #[pin]
        kind: Kind<F>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<F> {
        Admitted { #[pin] future: F },
        Refused { #[pin] answer: Ready<Response<Bytes>> },
    }
}

impl<F> GatedFuture<F> {
    pub(crate) fn admitted(future: F) -> Self {
        Self { kind: Kind::Admitted { future } }
    }

    pub(crate) fn refused(response: Response<Bytes>) -> Self {
        Self { kind: Kind::Refused { answer: ready(response) } }
    }
}

impl<F, A, E> Future for GatedFuture<F>
where
    F: Future<Output = Result<Response<A>, E>>,
{
    type Output = Result<Response<AnswerBody<A>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProjection::Admitted { future } => future.poll(context).map_ok(AnswerBody::inner),
            KindProjection::Refused { answer } => answer.poll(context).map(AnswerBody::own).map(Ok),
        }
    }
}

impl<F> fmt::Debug for GatedFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GatedFuture")
    }
}
