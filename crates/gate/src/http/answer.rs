//! Answers: JSON, and RFC 9457 problems.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// What every route answers with.
pub type Answer = Response<Full<Bytes>>;

/// A JSON answer that nobody may store.
pub fn json<T: Serialize>(status: StatusCode, body: &T) -> Answer {
    // Our own types serialize; if one did not, an empty object is the honest rest.
    let text = serde_json::to_vec(body).unwrap_or_else(|_| b"{}".to_vec());
    of_type(status, "application/json", text)
}

/// An answer of a content type that nobody may store.
pub fn of_type(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}

/// A problem: what went wrong, in a form that programs can tell apart by `type`.
pub struct Problem {
    status: StatusCode,
    kind: &'static str,
    members: Map<String, Value>,
    headers: HeaderMap,
}

impl Problem {
    /// A problem. `kind` is the last part of its `type` URN; `detail` is for people.
    pub fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        let mut members = Map::new();
        members.insert("type".into(), json!(format!("urn:tollwire:problem:{kind}")));
        members.insert("title".into(), json!(status.canonical_reason().unwrap_or("Error")));
        members.insert("status".into(), json!(status.as_u16()));
        members.insert("detail".into(), json!(detail.into()));
        Self { status, kind, members, headers: HeaderMap::new() }
    }

    /// The last part of its `type`.
    pub(crate) fn kind(&self) -> &'static str {
        self.kind
    }

    /// What went wrong, for people.
    pub(crate) fn detail(&self) -> &str {
        self.members.get("detail").and_then(Value::as_str).unwrap_or_default()
    }

    /// Adds an extension member.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.members.insert(name.to_owned(), value);
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        insert(&mut self.headers, name, value);
        self
    }

    /// Adds headers.
    #[must_use]
    pub fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Says when to try again, in whole seconds, at least 1.
    #[must_use]
    pub fn retry_after(self, after: Option<Duration>) -> Self {
        match after {
            Some(after) => self.header(RETRY_AFTER, &after.as_secs().max(1).to_string()),
            None => self,
        }
    }

    /// The answer that says it.
    pub fn into_answer(self) -> Answer {
        let mut answer = json(self.status, &self.members);
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        answer.headers_mut().extend(self.headers);
        answer
    }
}

/// Inserts a header whose value is ours; one that cannot stand in a header is left out.
pub(crate) fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
