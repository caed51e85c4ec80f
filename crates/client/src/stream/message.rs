//! What a stream brings.

use bytes::Bytes;
use tokio_tungstenite::tungstenite;
use tollwire_x402::Usdc;

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

    pub(super) fn into_frame(self) -> tungstenite::Message {
        match self {
            Self::Text(text) => tungstenite::Message::text(text),
            Self::Binary(bytes) => tungstenite::Message::Binary(bytes),
        }
    }
}

/// Something that happened on a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A message from the feed.
    Message(Message),
    /// The session's balance is used up (close 4008). The next call pays.
    Exhausted {
        /// The close frame's text.
        reason: String,
    },
    /// The stream is open again.
    Renewed {
        /// What that cost; zero if the session still had a unit.
        paid: Usdc,
    },
}

/// How a stream ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The close code; 1005 if the frame had none, 1006 if there was no frame.
    pub code: u16,
    /// The close frame's text.
    pub reason: String,
}
