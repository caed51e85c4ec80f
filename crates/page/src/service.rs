//! A page in front of a service.

use crate::Page;
use crate::asset::Asset;
use crate::headers::HEADERS;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower_service::Service;

/// What it answers with.
type Answer = Response<Full<Bytes>>;

/// Serves the files of a page; what is none of them goes to the service behind.
#[derive(Debug, Clone)]
pub struct WithPage<S> {
    page: Page,
    service: S,
}

impl<S> WithPage<S> {
    /// A page in front of a service.
    pub fn new(page: Page, service: S) -> Self {
        Self { page, service }
    }
}

impl<S, B> Service<Request<B>> for WithPage<S>
where
    S: Service<Request<B>, Response = Answer, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Answer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.page.find(request.uri().path()) {
            Some(asset) => {
                let answer = serve(asset, request.method());
                Box::pin(std::future::ready(Ok(answer)))
            }
            None => Box::pin(self.service.call(request)),
        }
    }
}

/// A file, or 405. The server leaves out the body of an answer to `HEAD`.
fn serve(asset: &Asset, method: &Method) -> Answer {
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut refused = Response::new(Full::default());
        *refused.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    let mut answer = Response::new(Full::new(Bytes::from_static(asset.content.as_bytes())));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.kind.content_type()));
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}
