//! A plain HTTP client: one request, one answer, nothing clever.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::time::Duration;

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A base64 JSON header.
    pub fn decoded(&self, name: &'static str) -> Value {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {self:?}"));
        tollwire_x402::header::decode(name, value.as_bytes()).unwrap()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends a request; an error means there was no answer.
pub async fn try_send(
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Answer, String> {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).unwrap();
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let exchange = async {
        let answer = client.request(request).await.map_err(|error| error.to_string())?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    };
    tokio::time::timeout(Duration::from_secs(60), exchange)
        .await
        .map_err(|_| "no answer in 60 s".to_owned())?
}

/// GET; an error means there was no answer.
pub async fn try_get(url: &str, headers: &[(&str, &str)]) -> Result<Answer, String> {
    try_send(Method::GET, url, headers, Bytes::new()).await
}

/// GET; there must be an answer.
pub async fn get(url: &str, headers: &[(&str, &str)]) -> Answer {
    try_get(url, headers).await.unwrap()
}

/// POST of JSON; there must be an answer.
pub async fn post(url: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let mut all = vec![("content-type", "application/json")];
    all.extend_from_slice(headers);
    try_send(Method::POST, url, &all, serde_json::to_vec(body).unwrap()).await.unwrap()
}
