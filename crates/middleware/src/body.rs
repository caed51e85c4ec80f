//! A response body that is either the wrapped service's or an answer of ours.

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project! {
    /// The body of an answer that a wrapped service or the wrapper itself may have given.
    #[derive(Debug)]
    pub struct AnswerBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    #[derive(Debug)]
    enum Kind<B> {
        Own { rest: Option<Bytes> },
        Inner { #[pin] body: B },
    }
}

impl<B> AnswerBody<B> {
    /// The wrapped service's answer, unchanged.
    pub fn inner(response: Response<B>) -> Response<Self> {
        response.map(|body| Self { kind: Kind::Inner { body } })
    }

    /// An answer of the wrapper's own.
    pub fn own(response: Response<Bytes>) -> Response<Self> {
        let rest = |bytes: Bytes| if bytes.is_empty() { None } else { Some(bytes) };
        response.map(|bytes| Self { kind: Kind::Own { rest: rest(bytes) } })
    }
}

impl<B: Body<Data = Bytes>> Body for AnswerBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProjection::Own { rest } => Poll::Ready(rest.take().map(|bytes| Ok(Frame::data(bytes)))),
            KindProjection::Inner { body } => body.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Own { rest } => rest.is_none(),
            Kind::Inner { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Own { rest } => {
                let length = rest.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
            }
            Kind::Inner { body } => body.size_hint(),
        }
    }
}
