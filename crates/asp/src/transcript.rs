//! An exported session: its messages, and what it says of itself.

use crate::chain::Hash;
use crate::json;
use crate::key::VerifyingKey;
use crate::verify::Head;
use serde_json::Value;

/// An exported session.
///
/// Either lines of JSON, a message each, or one object:
/// `{"sessionId", "keys": [{"kty":"OKP","crv":"Ed25519","x"}], "head": {"sequenceNumber","hash"}, "messages": [...]}`, of which
/// all but `messages` may be left out; or the list of messages alone. What it says of its own keys and head proves nothing
/// about who wrote it: take those from elsewhere if you can.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transcript {
    /// The messages, in the order in which they stand there.
    pub messages: Vec<Value>,
    /// The keys that it names itself.
    pub keys: Vec<VerifyingKey>,
    /// The head that it names itself.
    pub head: Option<Head>,
}

/// Not a transcript.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not JSON.
    #[error("not a transcript: {0}")]
    Json(String),
    /// A line of it is not JSON.
    #[error("line {line}, where message {line} should stand: {why}")]
    Line {
        /// Which line; the first is 1.
        line: usize,
        /// Why.
        why: String,
    },
    /// A member that is not as it must be.
    #[error("not a transcript: {0}")]
    Member(&'static str),
}

impl Transcript {
    /// Reads one.
    pub fn read(text: &str) -> Result<Self, Unreadable> {
        match json::read_deep(text) {
            Ok(Value::Array(messages)) => Ok(Self { messages, ..Self::default() }),
            Ok(Value::Object(mut members)) if members.contains_key("messages") => {
                let keys = members.get("keys").map_or(Ok(Vec::new()), keys)?;
                let head = members.get("head").map(head).transpose()?;
                match members.remove("messages") {
                    Some(Value::Array(messages)) => Ok(Self { messages, keys, head }),
                    _ => Err(Unreadable::Member("messages is a list")),
                }
            }
            _ => lines(text),
        }
    }
}

fn lines(text: &str) -> Result<Transcript, Unreadable> {
    let written = text.lines().filter(|line| !line.trim().is_empty());
    let read = |(at, line): (usize, &str)| {
        json::read_deep(line)
            .map_err(|error| Unreadable::Line { line: at.saturating_add(1), why: error.to_string() })
    };
    let messages = written.enumerate().map(read).collect::<Result<_, _>>()?;
    Ok(Transcript { messages, ..Transcript::default() })
}

/// The Ed25519 keys of a JWK set's `keys`.
fn keys(keys: &Value) -> Result<Vec<VerifyingKey>, Unreadable> {
    let wrong = Unreadable::Member("keys is a list of JWKs (Ed25519)");
    let Some(keys) = keys.as_array() else { return Err(wrong) };
    let key = |key: &Value| VerifyingKey::from_x(key.get("x").and_then(Value::as_str).unwrap_or_default());
    keys.iter().map(key).collect::<Result<_, _>>().map_err(|_| wrong)
}

fn head(head: &Value) -> Result<Head, Unreadable> {
    let sequence = head.get("sequenceNumber").and_then(Value::as_u64);
    let hash = head.get("hash").and_then(Value::as_str).and_then(|hash| hash.parse::<Hash>().ok());
    sequence.zip(hash).map(|(sequence, hash)| Head { sequence, hash }).ok_or(Unreadable::Member("head"))
}
