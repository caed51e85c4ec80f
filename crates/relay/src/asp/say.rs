//! Frames to an agent.

use super::error::Failed;
use serde::Serialize;
use tollwire_asp::{AgentUri, Millis, SessionId, State, TrustScore};

#[derive(Serialize)]
struct AuthOk<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "sessionId")]
    session: &'a SessionId,
    state: State,
    participants: &'a [AgentUri],
    #[serde(rename = "lastSequence")]
    last: u64,
}

/// That somebody is known; what the session is, and how far it has come.
pub(crate) fn auth_ok(session: &SessionId, state: State, participants: &[AgentUri], last: u64) -> String {
    written(&AuthOk { kind: "auth_ok", session, state, participants, last })
}

/// A message, in the bytes in which it is kept.
pub(crate) fn message(envelope: &str) -> String {
    let (before, after) = (r#"{"type":"message","envelope":"#, "}");
    let mut frame = String::with_capacity(before.len() + envelope.len() + after.len());
    for part in [before, envelope, after] {
        frame.push_str(part);
    }
    frame
}

#[derive(Serialize)]
struct Ack<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "messageId")]
    message: &'a str,
    #[serde(rename = "sequenceNumber")]
    sequence: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
}

/// That a message is in the session.
pub(crate) fn ack(message: &str, sequence: u64, id: Option<&str>) -> String {
    written(&Ack { kind: "ack", message, sequence, id })
}

/// That the connection is alive.
pub(crate) fn heartbeat(now: Millis, state: State) -> String {
    format!(r#"{{"type":"heartbeat","timestamp":"{now}","state":"{state}"}}"#)
}

/// That the session stands elsewhere.
pub(crate) fn session_state(state: State, previous: State, at: Millis) -> String {
    format!(r#"{{"type":"session_state","state":"{state}","previous":"{previous}","timestamp":"{at}"}}"#)
}

/// That an agent is trusted more, or less.
pub(crate) fn trust_update(agent: &AgentUri, score: TrustScore, previous: TrustScore) -> String {
    format!(r#"{{"type":"trust_update","agentId":"{agent}","score":{score},"previous":{previous}}}"#)
}

#[derive(Serialize)]
struct Error<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data>,
}

#[derive(Serialize)]
struct Data {
    #[serde(rename = "firstSequence")]
    first: u64,
}

/// That something is not done.
pub(crate) fn error(failed: &Failed, id: Option<&str>) -> String {
    let data = failed.first.map(|first| Data { first });
    written(&Error { kind: "error", code: failed.code.as_str(), message: &failed.why, id, data })
}

fn written<T: Serialize>(frame: &T) -> String {
    // Our own types serialize; if one did not, an error is the honest rest.
    serde_json::to_string(frame).unwrap_or_else(|_| {
        r#"{"type":"error","code":"internal_error","message":"internal error"}"#.to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollwire_asp::Code;

    #[test]
    fn frames_are_the_seed_s() {
        let session = "ase_abc123".parse().unwrap();
        let agents = ["agent://acme.com/procurement/alpha".parse().unwrap()];
        assert_eq!(
            auth_ok(&session, State::Conversing, &agents, 42),
            r#"{"type":"auth_ok","sessionId":"ase_abc123","state":"CONVERSING","participants":["agent://acme.com/procurement/alpha"],"lastSequence":42}"#
        );
        assert_eq!(
            ack("019526a1-8f2a-7000-8000-000000000047", 43, None),
            r#"{"type":"ack","messageId":"019526a1-8f2a-7000-8000-000000000047","sequenceNumber":43}"#
        );
        assert_eq!(
            heartbeat(Millis(1_772_893_830_000), State::Conversing),
            r#"{"type":"heartbeat","timestamp":"2026-03-07T14:30:30.000Z","state":"CONVERSING"}"#
        );
        assert_eq!(
            error(
                &Failed::new(Code::InvalidStateTransition, "COMMIT is not valid in the INTRODUCED state"),
                None
            ),
            r#"{"type":"error","code":"invalid_state_transition","message":"COMMIT is not valid in the INTRODUCED state"}"#
        );
        assert_eq!(
            trust_update(&agents[0], "91".parse().unwrap(), "72.5".parse().unwrap()),
            r#"{"type":"trust_update","agentId":"agent://acme.com/procurement/alpha","score":91,"previous":72.5}"#
        );
        let truncated = Failed { first: Some(7), ..Failed::new(Code::HistoryTruncated, "gone") };
        assert!(error(&truncated, Some("a")).ends_with(r#""id":"a","data":{"firstSequence":7}}"#));
    }
}
