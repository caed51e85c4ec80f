//! A message as it is read.

use crate::agent::AgentUri;
use crate::chain::Hash;
use crate::id::{MessageId, SessionId};
use crate::performative::Performative;
use crate::time::Millis;
use crate::{VERSION, canonical, json};
use serde_json::Value;
use std::str::FromStr;

/// A message, with all that its hash covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Its name.
    pub id: MessageId,
    /// Its session.
    pub session: SessionId,
    /// Which message of the session it is; the first is 1.
    pub sequence: u64,
    /// When the server took it.
    pub at: Millis,
    /// Who sent it.
    pub sender: AgentUri,
    /// What is done by it.
    pub performative: Performative,
    /// The hash it says it has.
    pub hash: Hash,
    /// The hash of the message before it.
    pub previous: Hash,
    /// `ed25519:` and the signature.
    pub signature: String,
    signed: String,
    value: Value,
}

/// Not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not JSON that everybody reads the same way.
    #[error("not JSON: {0}")]
    Json(String),
    /// Another version of the protocol.
    #[error("version is not {VERSION}")]
    Version,
    /// This member is missing, or is not as it must be.
    #[error("{0} is missing or ill-formed")]
    Member(&'static str),
}

impl Envelope {
    /// Reads a message.
    pub fn read(text: &str) -> Result<Self, Malformed> {
        Self::of(json::read_deep(text).map_err(|error| Malformed::Json(error.to_string()))?)
    }

    /// Reads a message from a value.
    pub fn of(value: Value) -> Result<Self, Malformed> {
        let text = |pointer: &'static str| {
            let found = value.pointer(pointer).and_then(Value::as_str);
            found.ok_or(Malformed::Member(pointer.trim_start_matches('/')))
        };
        if text("/version")? != VERSION {
            return Err(Malformed::Version);
        }
        let id = read(text("/messageId")?, "messageId")?;
        let session = read(text("/sessionId")?, "sessionId")?;
        let sequence = value.get("sequenceNumber").and_then(Value::as_u64);
        let sequence = sequence.ok_or(Malformed::Member("sequenceNumber"))?;
        let at = Millis::read_exact(text("/timestamp")?).ok_or(Malformed::Member("timestamp"))?;
        let sender = read(text("/sender/agentId")?, "sender/agentId")?;
        let performative = read(text("/performative")?, "performative")?;
        if !value.pointer("/content/body").is_some_and(Value::is_object) {
            return Err(Malformed::Member("content/body"));
        }
        let hash = read(text("/integrity/hash")?, "integrity/hash")?;
        let previous = read(text("/integrity/previousHash")?, "integrity/previousHash")?;
        let signature = text("/integrity/signature")?.to_owned();
        let signed = signed(&value)?;
        Ok(Self { id, session, sequence, at, sender, performative, hash, previous, signature, signed, value })
    }

    /// The text that is hashed and signed: all of it in canonical form, but of `integrity` only `previousHash`.
    pub fn signed(&self) -> &str {
        &self.signed
    }

    /// Its `content.body`.
    pub fn body(&self) -> &Value {
        self.value.pointer("/content/body").unwrap_or(&Value::Null)
    }

    /// All of it.
    pub const fn value(&self) -> &Value {
        &self.value
    }
}

fn read<T: FromStr>(text: &str, member: &'static str) -> Result<T, Malformed> {
    text.parse().map_err(|_| Malformed::Member(member))
}

fn signed(value: &Value) -> Result<String, Malformed> {
    let mut value = value.clone();
    if let Some(integrity) = value.get_mut("integrity").and_then(Value::as_object_mut) {
        integrity.remove("hash");
        integrity.remove("signature");
    }
    canonical::text(&value).map_err(|error| Malformed::Json(error.to_string()))
}
