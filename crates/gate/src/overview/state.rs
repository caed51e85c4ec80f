//! How a session stands, in one word.

use serde::Serialize;
use std::str::FromStr;
use tollwire_ledger::Timestamp;
use tollwire_ledger::model::Session;

/// How a session stands. Exactly one of them holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// A stream is open.
    Live,
    /// None is, and one could be opened.
    Idle,
    /// The chain took back a deposit: nothing is served until it has it again.
    Frozen,
    /// Nothing is served any more: revoked, closed, past its balance's life, or used up.
    Ended,
}

impl State {
    /// The state of a session at a time.
    pub fn of(session: &Session, now: Timestamp) -> Self {
        let over = session.revoked || session.closed || now >= session.balance_until;
        if over {
            Self::Ended
        } else if session.is_frozen() {
            Self::Frozen
        } else if !session.live.is_empty() {
            Self::Live
        } else if session.remaining() == 0 && session.held() == 0 {
            Self::Ended
        } else {
            Self::Idle
        }
    }
}

impl FromStr for State {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "live" => Ok(Self::Live),
            "idle" => Ok(Self::Idle),
            "frozen" => Ok(Self::Frozen),
            "ended" => Ok(Self::Ended),
            _ => Err(()),
        }
    }
}
