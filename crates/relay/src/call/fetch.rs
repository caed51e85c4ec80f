//! Requests of the broker's own, on the way that calls take: the same connections, checks of addresses, and bounds.

use super::CallError;
use super::api::Api;
use super::headers;
use super::request::ApiRequest;
use super::upstream::Upstream;
use crate::runtime::Budget;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use std::time::Duration;
use tokio::time::timeout;

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Fetched {
    /// The body of a 200.
    pub(crate) fn good(self) -> Option<Bytes> {
        (self.status == StatusCode::OK).then_some(self.body)
    }
}

impl Upstream {
    /// Asks, and reads the answer whole. With a body it is a POST of JSON.
    pub(crate) async fn fetch(
        &self,
        api: &Api,
        path: &str,
        (mut sent, body): (HeaderMap, Option<Bytes>),
        within: Duration,
    ) -> Result<Fetched, CallError> {
        headers::to_api_from_envelope(&mut sent);
        let method = if body.is_some() { Method::POST } else { Method::GET };
        if body.is_some() {
            sent.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let body = body.unwrap_or_default();
        let request = ApiRequest { method, path: path.to_owned(), headers: sent, body, paid: false };
        let asking = async {
            let begun = self.ask(api, request).await?;
            self.whole(begun, &Budget::unbounded()).await
        };
        let answer = timeout(within, asking).await.map_err(|_| CallError::Timeout)??;
        Ok(Fetched { status: answer.status, headers: answer.headers, body: answer.body })
    }
}
