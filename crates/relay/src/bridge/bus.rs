//! What the nodes of one broker tell each other. Nothing depends on its arrival: whatever matters is in the log, and each
//! node looks there again now and then. A notice only makes it soon.

use super::id::{AgentId, AppId, ConnectionId, EventId, NodeId};
use super::record::{decode, encode};
use crate::store::{BoxFuture, StoreError};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Carries notices between nodes, in order from one node to another.
pub trait Bus: Send + Sync {
    /// Whether there may be other nodes.
    fn is_shared(&self) -> bool;

    /// Sends a notice to one node, or to all others. Whether anybody took it.
    fn send(&self, to: Option<NodeId>, notice: Bytes) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Hears what is sent to a node, until the future is dropped.
    fn listen(&self, node: NodeId, tell: Tell) -> BoxFuture<'_, ()>;
}

/// Whom news is told.
pub type Tell = Arc<dyn Fn(News) + Send + Sync>;

/// What comes over a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A notice.
    Notice(Bytes),
    /// Notices may have been missed.
    Interrupted,
}

/// The bus of a node that has no others.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl Bus for Alone {
    fn is_shared(&self) -> bool {
        false
    }

    fn send(&self, _: Option<NodeId>, _: Bytes) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(std::future::ready(Ok(false)))
    }

    fn listen(&self, _: NodeId, _: Tell) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }
}

/// A notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Notice {
    /// An event waits for an agent.
    Event { agent: AgentId },
    /// An answer waits for a connection.
    Answer { app: AppId, to: ConnectionId },
    /// Answers wait for an app whose connection is gone.
    Orphans { app: AppId },
    /// Part of an answer.
    Token { app: AppId, to: ConnectionId, event: EventId, agent: AgentId, text: String },
    /// An agent is at work, or no more.
    Typing { app: AppId, to: ConnectionId, event: EventId, agent: AgentId, on: bool },
    /// An agent has another connection.
    Taken { agent: AgentId, by: ConnectionId },
    /// Registrations have changed.
    Registered,
    /// Word for something else that lives in the broker: only that can read it.
    Word { text: String },
}

impl Notice {
    pub(crate) fn to_bytes(&self) -> Bytes {
        encode(self)
    }

    pub(crate) fn from_bytes(bytes: &Bytes) -> Option<Self> {
        decode(bytes)
    }
}
