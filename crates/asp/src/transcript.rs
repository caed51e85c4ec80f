//! An exported session: its messages, and what it says of itself.

use crate::chain::Hash;
use crate::json;
use crate::key::VerifyingKey;
use crate::verify::Head;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

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
    /// A message of it is not JSON that everybody reads the same way.
    #[error("message {number}: {why}")]
    Message {
        /// Which message; the first is 1.
        number: usize,
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
            Err(error) => one_by_one(text).unwrap_or_else(|| Err(Unreadable::Json(error.to_string()))),
            Ok(message) => Ok(Self { messages: vec![message], ..Self::default() }),
        }
    }
}

/// What is not one value that can be read: lines, or a whole in which something cannot be.
fn one_by_one(text: &str) -> Option<Result<Transcript, Unreadable>> {
    #[derive(Deserialize)]
    struct Whole<'a> {
        #[serde(borrow)]
        messages: Vec<&'a RawValue>,
    }
    let within = serde_json::from_str::<Whole<'_>>(text).map(|whole| whole.messages);
    let texts: Vec<&str> = match within.or_else(|_| serde_json::from_str::<Vec<&RawValue>>(text)) {
        Ok(messages) => messages.into_iter().map(RawValue::get).collect(),
        Err(_) => text.lines().filter(|line| !line.trim().is_empty()).collect(),
    };
    let one = texts.len() == 1;
    let read = |(at, text): (usize, &str)| {
        let number = at.saturating_add(1);
        json::read_deep(text).map_err(|error| Unreadable::Message { number, why: error.to_string() })
    };
    match texts.into_iter().enumerate().map(read).collect::<Result<Vec<_>, _>>() {
        // What is wrong with it stands outside its messages.
        Ok(_) if serde_json::from_str::<&RawValue>(text).is_ok() => None,
        Err(_) if one && !text.trim_start().starts_with('{') => None,
        outcome => Some(outcome.map(|messages| Transcript { messages, ..Transcript::default() })),
    }
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
