//! Answers of our own: JSON, and RFC 9457 problems.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Map, Value, json};

/// What every route answers with.
pub type Answer = Response<Full<Bytes>>;

/// An answer of a content type that nobody may store.
pub(super) fn of_type(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// A JSON answer that nobody may store.
pub(crate) fn json(status: StatusCode, body: &Value) -> Answer {
    of_type(status, "application/json", body.to_string())
}

/// 404.
pub(crate) fn nothing_here() -> Answer {
    Problem::new(StatusCode::NOT_FOUND, "not-found", "nothing is served here").into_answer()
}

/// A problem: what went wrong, in a form that programs can tell apart by `type`.
pub(crate) struct Problem {
    status: StatusCode,
    members: Map<String, Value>,
    headers: HeaderMap,
}

impl Problem {
    /// A problem. `kind` is the last part of its `type` URN; `detail` is for people.
    pub(crate) fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        let mut members = Map::new();
        members.insert("type".into(), json!(format!("urn:tollwire:problem:{kind}")));
        members.insert("title".into(), json!(status.canonical_reason().unwrap_or("Error")));
        members.insert("status".into(), json!(status.as_u16()));
        members.insert("detail".into(), json!(detail.into()));
        Self { status, members, headers: HeaderMap::new() }
    }

    /// Adds a member.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.members.insert(name.to_owned(), json!(value));
        self
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.insert(name, HeaderValue::from_static(value));
        self
    }

    pub(crate) fn into_answer(self) -> Answer {
        let body = Value::Object(self.members).to_string();
        let mut answer = of_type(self.status, "application/problem+json", body);
        answer.headers_mut().extend(self.headers);
        answer
    }
}
