//! Writing frames. What came from an API stands in them byte for byte where it is JSON.

use super::CallError;
use super::id::Id;
use super::upstream::ApiAnswer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tollwire_x402::header::{self, PAYMENT_REQUIRED, PAYMENT_RESPONSE, X_PAYMENT_RESPONSE};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Frame<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_response: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure<'a> {
    code: u16,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_required: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Body {
        body: Content<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'static str>,
    },
    Hint(Value),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chunks: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    settled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replayed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'static str>,
    headers: Headers<'a>,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a Id,
    event: &'static str,
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
    data: Content<'a>,
}

/// A body, as it stands in a frame.
enum Content<'a> {
    Empty,
    Json(&'a RawValue),
    Text(&'a str),
    Binary(&'a [u8]),
}

struct Headers<'a>(&'a HeaderMap);

/// The frame of an API's answer: a result, or for 402 an error that says what to pay.
pub(super) fn answer(id: &Id, answer: &ApiAnswer) -> String {
    let content_type = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content = Content::of(&answer.body, content_type);
    let metadata = Metadata {
        status: answer.status.as_u16(),
        content_type,
        encoding: content.encoding(),
        chunks: answer.chunks,
        settled: answer.notes.settled,
        replayed: answer.notes.replayed.then_some(true),
        body: answer.notes.not_retained.then_some("not_retained"),
        headers: Headers(&answer.headers),
    };
    let payment_response =
        [PAYMENT_RESPONSE, X_PAYMENT_RESPONSE].into_iter().find_map(|name| decoded(&answer.headers, name));
    let (result, error) = if answer.status == StatusCode::PAYMENT_REQUIRED {
        (None, Some(payment_required(answer, content)))
    } else {
        (Some(content), None)
    };
    text(&Frame { id: Some(id), result, error, payment_response, metadata: Some(metadata) })
}

/// The frame of a part of an answer: text if it is, else base64.
pub(super) fn chunk(id: &Id, seq: u64, data: &[u8], textual: bool) -> String {
    let data = match std::str::from_utf8(data) {
        Ok(text) if textual => Content::Text(text),
        _ => Content::Binary(data),
    };
    let encoding = data.encoding().filter(|encoding| *encoding != "text");
    text(&Chunk { id, event: "relay.chunk", seq, encoding, data })
}

/// The requirement stands in the header (v2), else in the body (v1); the body is passed on in any case.
fn payment_required<'a>(answer: &ApiAnswer, body: Content<'a>) -> Failure<'a> {
    let of_body = || match body {
        Content::Json(raw) => Some(raw.to_owned()),
        Content::Empty | Content::Text(_) | Content::Binary(_) => None,
    };
    Failure {
        code: StatusCode::PAYMENT_REQUIRED.as_u16(),
        message: "Payment required",
        payment_required: decoded(&answer.headers, PAYMENT_REQUIRED).or_else(of_body),
        data: Some(Data::Body { body, reason: answer.notes.reason }),
    }
}

/// The frame of a call that has no answer of its API's.
pub(super) fn refusal(id: &Id, error: &CallError) -> String {
    let data = error.hint().map(|(name, value)| Data::Hint(json!({ name: value })));
    failure(Some(id), error.code(), &error.to_string(), data)
}

/// An error in our own words.
pub(super) fn error(id: Option<&Id>, code: u16, message: &str) -> String {
    failure(id, code, message, None)
}

fn failure(id: Option<&Id>, code: u16, message: &str, data: Option<Data<'_>>) -> String {
    let error = Failure { code, message, payment_required: None, data };
    text(&Frame { id, result: None, error: Some(error), payment_response: None, metadata: None })
}

/// The answer to a `relay.cancel` that had an id of its own.
pub(super) fn cancelled(id: &Id) -> String {
    text(&json!({ "id": id, "result": { "cancelled": true } }))
}

fn text<T: Serialize>(frame: &T) -> String {
    // Our own types serialize; if one did not, an error without id is the honest rest.
    serde_json::to_string(frame)
        .unwrap_or_else(|_| r#"{"error":{"code":500,"message":"internal error"}}"#.to_owned())
}

/// A header that holds a JSON object in base64, as the JSON it is.
fn decoded(headers: &HeaderMap, name: &'static str) -> Option<Box<RawValue>> {
    let raw: Box<RawValue> = header::decode(name, headers.get(name)?.as_bytes()).ok()?;
    raw.get().starts_with('{').then_some(raw)
}

/// Whether a content type says JSON, and whether it says text of any kind.
pub(super) fn kind(content_type: Option<&str>) -> (bool, bool) {
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    let is_json = essence == "application/json" || essence.ends_with("+json");
    let textual = is_json
        || essence.is_empty()
        || essence.starts_with("text/")
        || essence.ends_with("+xml")
        || matches!(
            essence.as_str(),
            "application/xml" | "application/javascript" | "application/x-www-form-urlencoded"
        );
    (is_json, textual)
}

impl<'a> Content<'a> {
    fn of(body: &'a [u8], content_type: Option<&str>) -> Self {
        if body.is_empty() {
            return Self::Empty;
        }
        let (is_json, textual) = kind(content_type);
        if is_json && let Ok(raw) = serde_json::from_slice(body) {
            return Self::Json(raw);
        }
        match std::str::from_utf8(body) {
            // Other control characters would stand in six characters each, and are no text.
            Ok(text)
                if textual && !text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) =>
            {
                Self::Text(text)
            }
            _ => Self::Binary(body),
        }
    }

    const fn encoding(&self) -> Option<&'static str> {
        match self {
            Self::Empty => None,
            Self::Json(_) => Some("json"),
            Self::Text(_) => Some("text"),
            Self::Binary(_) => Some("base64"),
        }
    }
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Empty => serializer.serialize_none(),
            Self::Json(raw) => raw.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Binary(bytes) => serializer.serialize_str(&STANDARD.encode(bytes)),
        }
    }
}

/// Lines of the same name are joined, as RFC 9110 has it; values that are no text are left out.
impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for name in self.0.keys() {
            let values = self.0.get_all(name).iter().filter_map(|value| value.to_str().ok());
            let values: Vec<&str> = values.collect();
            if !values.is_empty() {
                map.serialize_entry(name.as_str(), &values.join(", "))?;
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Room;
    use bytes::Bytes;

    fn framed(status: u16, headers: &[(&'static str, &str)], body: &'static [u8]) -> String {
        let headers = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        let status = StatusCode::from_u16(status).unwrap();
        let id = Id::Text("c1".into());
        answer(
            &id,
            &ApiAnswer {
                status,
                headers,
                body: Bytes::from_static(body),
                room: Room::default(),
                chunks: None,
                notes: crate::call::priced::Notes::default(),
            },
        )
    }

    #[test]
    fn json_stands_in_the_frame_as_it_came() {
        assert_eq!(
            framed(404, &[("content-type", "application/json")], br#"{"b":1.0,"x":1e400}"#),
            r#"{"id":"c1","result":{"b":1.0,"x":1e400},"metadata":{"status":404,"contentType":"application/json","encoding":"json","headers":{"content-type":"application/json"}}}"#
        );
    }

    #[test]
    fn other_bodies_are_text_or_base64() {
        let of = |content_type: &'static str, body: &'static [u8]| {
            let frame: Value =
                serde_json::from_str(&framed(200, &[("content-type", content_type)], body)).unwrap();
            (frame["result"].clone(), frame["metadata"]["encoding"].clone())
        };
        assert_eq!(of("text/html; charset=utf-8", b"<p>\n"), (json!("<p>\n"), json!("text")));
        assert_eq!(of("application/problem+json", b"{} "), (json!({}), json!("json")));
        assert_eq!(of("application/json", b"{broken"), (json!("{broken"), json!("text")));
        assert_eq!(of("text/plain", b"\xFF"), (json!("/w=="), json!("base64")));
        assert_eq!(of("text/plain", b"a\0"), (json!("YQA="), json!("base64")));
        assert_eq!(of("image/png", b"PNG"), (json!("UE5H"), json!("base64")));
        assert_eq!(of("image/png", b""), (Value::Null, Value::Null));
    }

    #[test]
    fn a_402_says_what_to_pay_wherever_the_api_said_it() {
        let required = r#"{"x402Version":2,"accepts":[{"amount":"1.0e2"}]}"#;
        let header = STANDARD.encode(required);
        let v2 = framed(402, &[("payment-required", &header), ("content-type", "application/json")], b"{}");
        assert!(
            v2.contains(&format!(r#""code":402,"message":"Payment required","paymentRequired":{required}"#)),
            "{v2}"
        );
        assert!(v2.contains(r#""data":{"body":{}}"#) && v2.contains(&header), "{v2}");
        let v1 = framed(402, &[("content-type", "application/json")], br#"{"x402Version":1}"#);
        assert!(v1.contains(r#""paymentRequired":{"x402Version":1}"#), "{v1}");
        let neither = framed(402, &[], b"pay me");
        assert!(!neither.contains("paymentRequired") && neither.contains(r#""body":"pay me""#), "{neither}");
    }

    #[test]
    fn a_settlement_is_told_in_either_dialect() {
        for name in ["payment-response", "x-payment-response"] {
            let frame = framed(200, &[(name, &STANDARD.encode(r#"{"success":true}"#))], b"");
            assert!(frame.contains(r#""result":null,"paymentResponse":{"success":true}"#), "{frame}");
        }
    }
}
