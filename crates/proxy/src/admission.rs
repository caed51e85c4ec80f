//! Who asks for a stream, once their token has been checked.

use crate::InBand;
use std::fmt;
use std::sync::Arc;
use tollwire_x402::{SessionId, StreamId};

/// An agent that may try to open a stream: its token was verified, its balance was not looked at yet.
#[derive(Clone)]
pub struct Admission {
    /// The session that pays.
    pub session: SessionId,
    /// The payer's address, for the stream token's `sub`.
    pub payer: String,
    /// The agent's own id for this open (`Tollwire-Stream` or `?stream=`), which makes it idempotent; `None` lets
    /// the proxy draw a random one.
    pub stream: Option<StreamId>,
    /// For an agent that asked for `?control=v1`: the stream's conversation with it. An exhausted balance is then told by
    /// close code 4008 on an accepted WebSocket, whatever the feed's own rule is, and no extension is agreed on.
    pub control: Option<Arc<dyn InBand>>,
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission")
            .field("session", &self.session)
            .field("payer", &self.payer)
            .field("stream", &self.stream)
            .field("control", &self.control.is_some())
            .finish()
    }
}
