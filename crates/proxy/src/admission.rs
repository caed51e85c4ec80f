//! Who asks for a stream, once their token has been checked.

use tollwire_x402::{SessionId, StreamId};

/// An agent that may try to open a stream: its token was verified, its balance was not looked at yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// The session that pays.
    pub session: SessionId,
    /// The payer's address, for the stream token's `sub`.
    pub payer: String,
    /// The agent's own id for this open (`Tollwire-Stream` or `?stream=`), which makes it idempotent; `None` lets
    /// the proxy draw a random one.
    pub stream: Option<StreamId>,
    /// Whether the agent asked for `?control=v1`: then an exhausted balance is told by close code 4008 on an
    /// accepted WebSocket, whatever the feed's own rule is.
    pub control: bool,
}
