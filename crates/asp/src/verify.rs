//! Verifies a session from its messages alone: order, chain, signatures, states, completeness.

use crate::chain::Hash;
use crate::envelope::{Envelope, Malformed};
use crate::id::SessionId;
use crate::key::VerifyingKey;
use crate::machine::{Machine, Said};
use crate::state::State;
use crate::table::Refusal;
use crate::time::Millis;
use serde_json::Value;

/// The last message of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its number; 0 if there is none.
    pub sequence: u64,
    /// Its hash.
    pub hash: Hash,
}

/// What is wrong with a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// It is no message.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// It is of another session than those before it.
    #[error("it is of another session")]
    Session,
    /// Another number stands here.
    #[error("it says that it is message {0}")]
    Sequence(u64),
    /// It is earlier than the one before it.
    #[error("it is earlier than the one before it")]
    Time,
    /// It does not follow the one before it.
    #[error("its previousHash is not the hash of the one before it")]
    Previous,
    /// It was changed after it was hashed.
    #[error("its hash is not that of its content")]
    Hash,
    /// None of the keys has signed it.
    #[error("its signature is by none of the keys")]
    Signature,
    /// It could not be said there.
    #[error("{0}")]
    State(Refusal),
    /// Messages are missing at the end, or there are more than there should be.
    #[error("the session's head should be message {}, {}", .0.sequence, .0.hash)]
    Head(Head),
}

/// The first message that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("message {sequence}: {defect}")]
pub struct Fault {
    /// The number that it should have.
    pub sequence: u64,
    /// What is wrong with it.
    pub defect: Defect,
}

/// What was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The session; `None` without a message.
    pub session: Option<SessionId>,
    /// The last message.
    pub head: Head,
    /// Where the session stood after it.
    pub state: State,
}

/// Verifies messages one by one, in constant memory.
#[derive(Debug, Clone)]
pub struct Verifier {
    keys: Vec<VerifyingKey>,
    session: Option<SessionId>,
    head: Head,
    at: Millis,
    machine: Machine,
}

impl Verifier {
    /// From the first message on, signed by any of these keys.
    pub fn new(keys: Vec<VerifyingKey>) -> Self {
        let head = Head { sequence: 0, hash: Hash::GENESIS };
        Self { keys, session: None, head, at: Millis(0), machine: Machine::default() }
    }

    /// Verifies the next message.
    pub fn next(&mut self, message: &Value) -> Result<(), Fault> {
        let sequence = self.head.sequence.saturating_add(1);
        self.judge(message, sequence).map_err(|defect| Fault { sequence, defect })
    }

    fn judge(&mut self, message: &Value, sequence: u64) -> Result<(), Defect> {
        let envelope = Envelope::of(message.clone())?;
        if self.session.as_ref().is_some_and(|session| *session != envelope.session) {
            return Err(Defect::Session);
        }
        if envelope.sequence != sequence {
            return Err(Defect::Sequence(envelope.sequence));
        }
        if envelope.at < self.at {
            return Err(Defect::Time);
        }
        if envelope.previous != self.head.hash {
            return Err(Defect::Previous);
        }
        let signed = envelope.signed().as_bytes();
        if Hash::of(signed) != envelope.hash {
            return Err(Defect::Hash);
        }
        if !self.keys.iter().any(|key| key.verifies(signed, &envelope.signature)) {
            return Err(Defect::Signature);
        }
        let said = Said { by: &envelope.sender, performative: envelope.performative, body: envelope.body() };
        self.machine = self.machine.after(&said, envelope.at).map_err(Defect::State)?;
        self.head = Head { sequence, hash: envelope.hash };
        self.at = envelope.at;
        self.session = Some(envelope.session);
        Ok(())
    }

    /// What was verified, if that was all: `expected` is the head that somebody else vouches for.
    pub fn finish(self, expected: Option<Head>) -> Result<Report, Fault> {
        if let Some(expected) = expected.filter(|expected| *expected != self.head) {
            let sequence = self.head.sequence.min(expected.sequence).saturating_add(1);
            let sequence = if expected.sequence == self.head.sequence { expected.sequence } else { sequence };
            return Err(Fault { sequence, defect: Defect::Head(expected) });
        }
        Ok(Report { session: self.session, head: self.head, state: self.machine.state() })
    }
}
