//! Frames from an agent.

use super::error::Failed;
use crate::runtime::Heard;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use tollwire_asp::Code;

/// The longest `id` of a `send`, in bytes.
pub(crate) const ID_BYTES_MAX: usize = 128;

/// What an agent says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Who it is, and what it has seen.
    Auth { token: String, proof: String, last: Option<u64> },
    /// A message.
    Send { id: Option<String>, envelope: Box<str> },
    /// The answer to a heartbeat.
    Pong,
    /// Something to be refused, in its turn.
    Wrong { id: Option<String>, failed: Failed },
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    token: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "dpopProof")]
    proof: Option<Cow<'a, str>>,
    #[serde(default, rename = "lastSequence")]
    last: Option<u64>,
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    envelope: Option<&'a RawValue>,
}

/// Reads a frame; whether it was one at all.
pub(crate) fn read(text: &str, bytes_max: usize) -> (Frame, Heard) {
    let wrong = |id: Option<String>, code, why: &str| Frame::Wrong { id, failed: Failed::new(code, why) };
    if text.len() > bytes_max {
        return (
            wrong(None, Code::PayloadTooLarge, "the frame is longer than messages may be"),
            Heard::Spoken,
        );
    }
    let Ok(raw) = serde_json::from_str::<Raw<'_>>(text) else {
        return (wrong(None, Code::InvalidFrame, "a frame is a JSON object with a type"), Heard::Malformed);
    };
    let id = raw.id.map(Cow::into_owned);
    if id.as_ref().is_some_and(|id| id.is_empty() || id.len() > ID_BYTES_MAX) {
        return (wrong(None, Code::InvalidFrame, "id is 1 to 128 bytes long"), Heard::Spoken);
    }
    let frame = match (&*raw.kind, raw.token, raw.proof, raw.envelope) {
        ("auth", Some(token), Some(proof), _) => {
            Frame::Auth { token: token.into_owned(), proof: proof.into_owned(), last: raw.last }
        }
        ("auth", ..) => wrong(id, Code::InvalidFrame, "auth has a token and a dpopProof"),
        ("send", _, _, Some(envelope)) => Frame::Send { id, envelope: envelope.get().into() },
        ("send", ..) => wrong(id, Code::InvalidFrame, "send has an envelope"),
        ("pong", ..) => Frame::Pong,
        _ => wrong(id, Code::InvalidFrame, "a frame's type is auth, send or pong"),
    };
    (frame, Heard::Spoken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read() {
        let auth = Frame::Auth { token: "t".into(), proof: "p".into(), last: Some(42) };
        assert_eq!(
            read(r#"{"type":"auth","token":"t","dpopProof":"p","lastSequence":42,"x":1}"#, 99).0,
            auth
        );
        assert_eq!(read(r#"{ "type": "pong" }"#, 99), (Frame::Pong, Heard::Spoken));
        let send = Frame::Send { id: Some("a".into()), envelope: r#"{ "b":1.0 }"#.into() };
        assert_eq!(read(r#"{"type":"send","id":"a","envelope":{ "b":1.0 }}"#, 99).0, send);
        for (text, heard) in [
            ("{}", Heard::Malformed),
            ("x", Heard::Malformed),
            (r#"{"type":"pong","type":"pong"}"#, Heard::Malformed),
            (r#"{"type":"auth","token":"t"}"#, Heard::Spoken),
            (r#"{"type":"send"}"#, Heard::Spoken),
            (r#"{"type":"shout"}"#, Heard::Spoken),
            (r#"{"type":"auth","lastSequence":-1}"#, Heard::Malformed),
        ] {
            let (frame, found) = read(text, 99);
            assert!(
                matches!(frame, Frame::Wrong { failed: Failed { code: Code::InvalidFrame, .. }, .. }),
                "{text}"
            );
            assert_eq!(found, heard, "{text}");
        }
        let long = read(&format!(r#"{{"type":"pong","x":"{}"}}"#, "x".repeat(99)), 99).0;
        assert!(matches!(long, Frame::Wrong { failed: Failed { code: Code::PayloadTooLarge, .. }, .. }));
    }
}
