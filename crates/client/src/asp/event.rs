//! What happens in a session, and the frames that say so.

use serde::Deserialize;
use serde_json::value::RawValue;
use tollwire_asp::{AgentUri, Code, Envelope, State, TrustScore};

/// What happens in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// There is a connection, the first or another.
    Connected {
        /// Where the session stands.
        state: State,
        /// Who takes part.
        participants: Vec<AgentUri>,
        /// The number of its last message.
        last: u64,
    },
    /// Somebody else said something; or this agent did over another connection, or over an earlier one whose answer was lost:
    /// then an [`Acked`](Self::Acked) of the same number says so.
    Message(Box<Envelope>),
    /// What was said under this id is in the session.
    Acked {
        /// Its id.
        id: String,
        /// Its number.
        sequence: u64,
    },
    /// What was said under this id is not.
    Refused {
        /// Its id.
        id: Option<String>,
        /// Why; `None` for a code that is not known here.
        code: Option<Code>,
        /// The same for people.
        message: String,
    },
    /// The session stands elsewhere.
    State {
        /// Here.
        state: State,
        /// Where it stood.
        previous: State,
    },
    /// An agent is trusted more, or less.
    Trust {
        /// Who.
        agent: AgentUri,
        /// How much.
        score: TrustScore,
        /// How much it was.
        previous: TrustScore,
    },
    /// Messages before this number are not kept any more.
    Truncated {
        /// The first that is.
        first: u64,
    },
    /// It is over, and no connection will be made again: the last event.
    Ended {
        /// The close code: 1000 when the session has ended.
        code: u16,
        /// What the broker said before.
        why: Option<Code>,
    },
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Frame {
    #[serde(rename_all = "camelCase")]
    AuthOk {
        state: State,
        participants: Vec<AgentUri>,
        last_sequence: u64,
    },
    #[serde(rename_all = "camelCase")]
    Ack {
        sequence_number: u64,
        id: Option<String>,
    },
    SessionState {
        state: State,
        previous: State,
    },
    #[serde(rename_all = "camelCase")]
    TrustUpdate {
        agent_id: AgentUri,
        score: TrustScore,
        previous: TrustScore,
    },
    Error {
        code: String,
        message: String,
        id: Option<String>,
        data: Option<Data>,
    },
    Heartbeat {},
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    first_sequence: Option<u64>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    envelope: &'a RawValue,
}

/// What a frame means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    Event(Event),
    Heartbeat,
    /// Why the connection is about to end.
    Why(Code),
    /// Nothing that is known here.
    Nothing,
    /// A message that cannot be read: to pass it over would be a gap.
    Unreadable,
}

/// Reads a frame.
pub(super) fn read(text: &str) -> Heard {
    if let Ok(Message { kind: "message", envelope }) = serde_json::from_str(text) {
        let envelope = Envelope::read(envelope.get());
        return envelope
            .map_or(Heard::Unreadable, |envelope| Heard::Event(Event::Message(Box::new(envelope))));
    }
    let Ok(frame) = serde_json::from_str::<Frame>(text) else { return Heard::Nothing };
    Heard::Event(match frame {
        Frame::AuthOk { state, participants, last_sequence: last } => {
            Event::Connected { state, participants, last }
        }
        Frame::Ack { sequence_number: sequence, id: Some(id) } => Event::Acked { id, sequence },
        Frame::SessionState { state, previous } => Event::State { state, previous },
        Frame::TrustUpdate { agent_id: agent, score, previous } => Event::Trust { agent, score, previous },
        Frame::Error { data: Some(Data { first_sequence: Some(first) }), .. } => Event::Truncated { first },
        Frame::Error { code, message, id, .. } => {
            let code = Code::ALL.iter().copied().find(|known| known.as_str() == code);
            match (id, code) {
                (None, Some(code)) if is_last_word(code) => return Heard::Why(code),
                (id, code) => Event::Refused { id, code, message },
            }
        }
        Frame::Heartbeat {} => return Heard::Heartbeat,
        Frame::Ack { .. } | Frame::Other => return Heard::Nothing,
    })
}

/// Whether a connection ends by it.
const fn is_last_word(code: Code) -> bool {
    matches!(
        code,
        Code::AuthFailed
            | Code::AuthRequired
            | Code::TokenExpired
            | Code::DpopInvalid
            | Code::DpopReplayed
            | Code::Forbidden
            | Code::SessionNotFound
            | Code::SequenceAhead
            | Code::RateLimited
            | Code::InternalError
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read() {
        let refused = |id: Option<&str>, code| Event::Refused {
            id: id.map(str::to_owned),
            code,
            message: "m".to_owned(),
        };
        for (text, heard) in [
            (
                r#"{"type":"auth_ok","sessionId":"ase_abc123","state":"CONVERSING","participants":["agent://a"],"lastSequence":42}"#,
                Heard::Event(Event::Connected {
                    state: State::Conversing,
                    participants: vec!["agent://a".parse().unwrap()],
                    last: 42,
                }),
            ),
            (
                r#"{"type":"ack","messageId":"x","sequenceNumber":43,"id":"a"}"#,
                Heard::Event(Event::Acked { id: "a".into(), sequence: 43 }),
            ),
            (r#"{"type":"heartbeat","timestamp":"x","state":"IDLE"}"#, Heard::Heartbeat),
            (
                r#"{"type":"error","code":"hash_chain_error","message":"m","id":"a"}"#,
                Heard::Event(refused(Some("a"), Some(Code::HashChainError))),
            ),
            (r#"{"type":"error","code":"new","message":"m"}"#, Heard::Event(refused(None, None))),
            (r#"{"type":"error","code":"token_expired","message":"m"}"#, Heard::Why(Code::TokenExpired)),
            (
                r#"{"type":"error","code":"history_truncated","message":"m","data":{"firstSequence":7}}"#,
                Heard::Event(Event::Truncated { first: 7 }),
            ),
            (
                r#"{"type":"trust_update","agentId":"agent://a","score":91,"previous":72.5}"#,
                Heard::Event(Event::Trust {
                    agent: "agent://a".parse().unwrap(),
                    score: "91".parse().unwrap(),
                    previous: "72.5".parse().unwrap(),
                }),
            ),
            (r#"{"type":"message","envelope":{}}"#, Heard::Unreadable),
            (r#"{"type":"something new"}"#, Heard::Nothing),
            ("{", Heard::Nothing),
        ] {
            assert_eq!(read(text), heard, "{text}");
        }
    }
}
