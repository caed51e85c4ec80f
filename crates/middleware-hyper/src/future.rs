//! The answer to come: the service's, or one of ours.

use crate::AnswerBody;
use bytes::Bytes;
use http::Response;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};
use tollwire_middleware::pre_auth::Answer;

pin_project! {
    /// The future of [`Gated`](crate::Gated) and [`PreAuthed`](crate::PreAuthed).
    pub struct AnswerFuture<F> {
        #[pin]
        kind: Kind<F>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<F> {
        Inner { #[pin] future: F },
        Ready { #[pin] answer: Ready<Response<Bytes>> },
        Own { answer: Answer },
    }
}

impl<F> AnswerFuture<F> {
    pub(crate) fn inner(future: F) -> Self {
        Self { kind: Kind::Inner { future } }
    }

    pub(crate) fn ready(answer: Response<Bytes>) -> Self {
        Self { kind: Kind::Ready { answer: ready(answer) } }
    }

    pub(crate) fn own(answer: Answer) -> Self {
        Self { kind: Kind::Own { answer } }
    }
}

impl<F, A, E> Future for AnswerFuture<F>
where
    F: Future<Output = Result<Response<A>, E>>,
{
    type Output = Result<Response<AnswerBody<A>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProjection::Inner { future } => future.poll(context).map_ok(AnswerBody::inner),
            KindProjection::Ready { answer } => answer.poll(context).map(AnswerBody::own).map(Ok),
            KindProjection::Own { answer } => answer.as_mut().poll(context).map(AnswerBody::own).map(Ok),
        }
    }
}

impl<F> fmt::Debug for AnswerFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnswerFuture")
    }
}
