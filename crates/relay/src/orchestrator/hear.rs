//! Frames from a person.

use crate::runtime::Heard;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What a person's client says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// `USER_MESSAGE`.
    Message(String),
    /// `PAYMENT_RESPONSE`.
    Payment(Response),
    /// `CANCEL_SESSION`.
    Cancel,
    /// Something to be refused, in its turn.
    Wrong(&'static str),
}

/// The answer to a payment request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) approved: bool,
    /// Which request it answers, if it says so.
    pub(crate) payment_id: Option<String>,
    /// A signed x402 payment, as it was written.
    pub(crate) payment: Option<String>,
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Option<Cow<'a, str>>,
    /// What clients of the protocol's first server send.
    #[serde(borrow, default)]
    message: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Written<'a> {
    approved: bool,
    #[serde(borrow, default)]
    payment_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    payment: Option<&'a RawValue>,
}

/// Reads a frame; whether it was one at all.
pub(crate) fn read(text: &str, frame_max: usize, content_max: usize) -> (Frame, Heard) {
    if text.len() > frame_max {
        return (Frame::Wrong("the frame is too long"), Heard::Spoken);
    }
    let Ok(raw) = serde_json::from_str::<Raw<'_>>(text) else {
        return (Frame::Wrong("a frame is a JSON object with type and data"), Heard::Malformed);
    };
    let data = raw.data.map_or("{}", RawValue::get);
    let frame = match &*raw.kind {
        "USER_MESSAGE" => message(data, content_max),
        "PAYMENT_RESPONSE" => response(data),
        "CANCEL_SESSION" => Frame::Cancel,
        _ => Frame::Wrong("a frame's type is USER_MESSAGE, PAYMENT_RESPONSE or CANCEL_SESSION"),
    };
    (frame, Heard::Spoken)
}

fn message(data: &str, content_max: usize) -> Frame {
    let read = serde_json::from_str::<Message<'_>>(data).ok();
    match read.and_then(|data| data.content.or(data.message)) {
        None => Frame::Wrong("USER_MESSAGE has data.content, a text"),
        Some(content) if content.trim().is_empty() => Frame::Wrong("data.content says nothing"),
        Some(content) if content.len() > content_max => Frame::Wrong("data.content is too long"),
        Some(content) => Frame::Message(content.into_owned()),
    }
}

fn response(data: &str) -> Frame {
    let Ok(read) = serde_json::from_str::<Written<'_>>(data) else {
        return Frame::Wrong("PAYMENT_RESPONSE has data.approved, true or false");
    };
    let payment = read.payment.map(RawValue::get).filter(|payment| *payment != "null");
    Frame::Payment(Response {
        approved: read.approved,
        payment_id: read.payment_id.map(Cow::into_owned),
        payment: payment.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &str) -> Frame {
        read(text, 1_000, 100).0
    }

    #[test]
    fn the_protocol_s_own_examples_are_read() {
        let said = "Summarize this article: https://example.com/article";
        assert_eq!(
            frame(&format!(r#"{{"type": "USER_MESSAGE", "data": {{"content": "{said}"}}}}"#)),
            Frame::Message(said.into())
        );
        assert_eq!(frame(r#"{"type":"USER_MESSAGE","data":{"message":"hi"}}"#), Frame::Message("hi".into()));
        let approved = Response { approved: true, payment_id: None, payment: None };
        assert_eq!(
            frame(r#"{"type":"PAYMENT_RESPONSE","data":{"approved":true}}"#),
            Frame::Payment(approved.clone())
        );
        let signed = Response { payment: Some(r#"{"b":1.0}"#.into()), ..approved };
        assert_eq!(
            frame(r#"{"type":"PAYMENT_RESPONSE","data":{"approved":true,"payment":{"b":1.0}}}"#),
            Frame::Payment(signed)
        );
        for text in [r#"{"type":"CANCEL_SESSION","data":{}}"#, r#"{"type":"CANCEL_SESSION"}"#] {
            assert_eq!(frame(text), Frame::Cancel);
        }
    }

    #[test]
    fn what_is_wrong_is_told_apart_from_nonsense() {
        for (text, heard) in [
            ("x", Heard::Malformed),
            ("[]", Heard::Malformed),
            (r#"{"data":{}}"#, Heard::Malformed),
            (r#"{"type":"USER_MESSAGE","data":{}}"#, Heard::Spoken),
            (r#"{"type":"USER_MESSAGE","data":{"content":7}}"#, Heard::Spoken),
            (r#"{"type":"USER_MESSAGE","data":{"content":"  "}}"#, Heard::Spoken),
            (r#"{"type":"PAYMENT_RESPONSE","data":{"approved":"yes"}}"#, Heard::Spoken),
            (r#"{"type":"MODAL_RESPONSE","data":{}}"#, Heard::Spoken),
        ] {
            let (frame, found) = read(text, 1_000, 100);
            assert!(matches!(frame, Frame::Wrong(_)), "{text}");
            assert_eq!(found, heard, "{text}");
        }
        let long = format!(r#"{{"type":"USER_MESSAGE","data":{{"content":"{}"}}}}"#, "x".repeat(101));
        assert!(matches!(read(&long, 1_000, 100).0, Frame::Wrong(_)));
        assert!(matches!(read(&long, 50, 1_000).0, Frame::Wrong(_)));
    }
}
