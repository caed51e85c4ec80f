//! What is kept beside a session's messages, and beside each of them.

use bytes::{BufMut as _, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use tollwire_asp::{AgentUri, Machine, Millis, Performative, SessionId, State, TrustScore};

/// What is known of a session beside its messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    /// Who takes part; the first began it.
    pub(crate) participants: Vec<AgentUri>,
    /// When it was begun.
    pub(crate) created: Millis,
    /// The trust that it asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trust: Option<TrustScore>,
    /// What may be done in it; all, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) allowed: Option<Vec<Performative>>,
    /// Where it stands.
    pub(crate) machine: Machine,
    /// When its last message was taken.
    pub(crate) at: Millis,
}

/// What is known of a session is seldom longer, in bytes.
const USUAL_BYTES: usize = 512;

impl Session {
    pub(crate) fn to_bytes(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(USUAL_BYTES);
        match serde_json::to_writer(&mut bytes, self) {
            Ok(()) => bytes.into(),
            Err(_) => Bytes::new(),
        }
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// What a connection has to know of a message to tell where the session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) previous: State,
    pub(crate) state: State,
    /// When the session stands elsewhere by time alone.
    pub(crate) due: Option<Millis>,
}

/// Bytes of a [`Step`] in front of a message.
const STEP_BYTES: usize = 10;

/// A message with its step, as it is kept.
pub(crate) fn pack(step: Step, text: &str) -> Bytes {
    let place = |state: State| {
        State::ALL
            .iter()
            .position(|known| *known == state)
            .and_then(|at| u8::try_from(at).ok())
            .unwrap_or_default()
    };
    let mut bytes = BytesMut::with_capacity(text.len().saturating_add(STEP_BYTES));
    bytes.put_u8(place(step.previous));
    bytes.put_u8(place(step.state));
    bytes.put_u64(step.due.map_or(0, |due| due.0));
    bytes.put_slice(text.as_bytes());
    bytes.freeze()
}

/// The other way.
pub(crate) fn unpack(bytes: &[u8]) -> Option<(Step, &str)> {
    let (head, text) = bytes.split_at_checked(STEP_BYTES)?;
    let (states, due) = head.split_at_checked(2)?;
    let state = |at: usize| State::ALL.get(usize::from(*states.get(at)?)).copied();
    let due = u64::from_be_bytes(due.try_into().ok()?);
    let step = Step { previous: state(0)?, state: state(1)?, due: (due > 0).then_some(Millis(due)) };
    Some((step, std::str::from_utf8(text).ok()?))
}

/// What is remembered under the `id` of a `send`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Memo {
    pub(crate) digest: String,
    pub(crate) message: String,
    pub(crate) sequence: u64,
}

impl std::fmt::Display for Memo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&serde_json::to_string(self).unwrap_or_default())
    }
}

/// Reads the word that comes over the bus when a session has a new message: its number, and the session.
pub(crate) fn read_notice(bytes: &[u8]) -> Option<(SessionId, u64)> {
    let (sequence, session) = std::str::from_utf8(bytes).ok()?.split_once(' ')?;
    Some((session.parse().ok()?, sequence.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked() {
        for due in [None, Some(Millis(1_772_893_800_000))] {
            for state in State::ALL {
                let step = Step { previous: State::Idle, state, due };
                assert_eq!(unpack(&pack(step, "{}")), Some((step, "{}")));
            }
        }
        for bad in [&b""[..], &[0; 9], &[99; 12]] {
            assert_eq!(unpack(bad), None);
        }
        let session: SessionId = "ase_abc123".parse().unwrap();
        assert_eq!(read_notice(b"7 ase_abc123"), Some((session, 7)));
    }
}
