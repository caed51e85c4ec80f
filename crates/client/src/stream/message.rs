//! What a stream brings.

use bytes::Bytes;
use tokio_tungstenite::tungstenite;

/// A WebSocket message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Bytes),
}

impl Message {
    /// Its length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a facilitator would take it for a control message, and so not pass it on.
    pub(super) fn is_control(&self) -> bool {
        matches!(self, Self::Text(text) if text.starts_with(crate::control::PREFIX))
    }

    pub(super) fn into_frame(self) -> tungstenite::Message {
        match self {
            Self::Text(text) => tungstenite::Message::text(text),
            Self::Binary(bytes) => tungstenite::Message::Binary(bytes),
        }
    }
}

/// How a stream ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The close code; 1005 if the frame had none, 1006 if there was no frame.
    pub code: u16,
    /// The close frame's text.
    pub reason: String,
}
