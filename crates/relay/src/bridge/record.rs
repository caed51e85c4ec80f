//! What the log keeps of events and answers.

use super::id::{AgentId, AppId, ConnectionId, EventId};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tollwire_ledger::Timestamp;

/// An event that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventRecord {
    pub(crate) id: EventId,
    pub(crate) app: AppId,
    pub(crate) thread: String,
    /// The connection that sent it.
    pub(crate) from: ConnectionId,
    /// When it was accepted.
    pub(crate) at: u64,
    /// Whether its answer carries the payload.
    pub(crate) echo: bool,
    /// Byte for byte as the app wrote it.
    pub(crate) payload: String,
}

/// A final answer: reply or error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AnswerRecord {
    pub(crate) id: EventId,
    pub(crate) agent: AgentId,
    /// The connection that it is for, while that lives.
    pub(crate) to: ConnectionId,
    /// The whole frame.
    pub(crate) frame: String,
}

impl EventRecord {
    /// When it was accepted.
    pub(crate) const fn at(&self) -> Timestamp {
        Timestamp::from_millis(self.at)
    }
}

/// A record as bytes. Our own types serialize; if one did not, its reader would say that it is unreadable.
pub(crate) fn encode<T: Serialize>(record: &T) -> Bytes {
    postcard::to_stdvec(record).unwrap_or_default().into()
}

/// A record from bytes.
pub(crate) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    postcard::from_bytes(bytes).ok()
}

/// The stream of events for an agent.
pub(crate) fn events_of(agent: &AgentId) -> String {
    format!("events:{agent}")
}

/// The stream of answers for an app.
pub(crate) fn answers_of(app: &AppId) -> String {
    format!("answers:{app}")
}

/// The stream of what happened.
pub(crate) const AUDIT: &str = "audit";

/// Whose a stream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stream {
    Events(AgentId),
    Answers(AppId),
    Audit,
}

impl Stream {
    /// From its name in the log.
    pub(crate) fn of(name: &str) -> Option<Self> {
        match name.split_once(':') {
            Some(("events", agent)) => agent.parse().ok().map(Self::Events),
            Some(("answers", app)) => app.parse().ok().map(Self::Answers),
            None if name == AUDIT => Some(Self::Audit),
            _ => None,
        }
    }
}
