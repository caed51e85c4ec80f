//! Writing frames.

use super::id::EventId;
use super::refusal::Refusal;
use super::registry::Agent;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// `pong`, to whoever pings.
pub(crate) const PONG: &str = r#"{"type":"pong"}"#;

/// What agents are pinged with.
pub(crate) const PING: &str = r#"{"type":"ping"}"#;

/// How an event stands after it was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// Its agent is connected.
    Delivered,
    /// Its agent is not.
    Queued,
}

#[derive(Serialize)]
struct Accepted<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    event_id: &'a str,
    agent_id: &'a str,
    session_key: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_msg_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate: Option<bool>,
}

/// An event that is kept, under which name, and where it stands. `None` for one that was sent twice.
pub(crate) fn accepted(
    event: &str,
    (agent, app, thread): (&str, &str, &str),
    client_id: Option<&str>,
    delivery: Option<Delivery>,
) -> String {
    written(&Accepted {
        kind: "accepted",
        event_id: event,
        agent_id: agent,
        session_key: app_session_key(agent, app, thread),
        status: "accepted",
        delivery: delivery.map(|delivery| match delivery {
            Delivery::Delivered => "delivered",
            Delivery::Queued => "queued",
        }),
        client_msg_id: client_id,
        duplicate: delivery.is_none().then_some(true),
    })
}

/// What apps know a conversation by.
pub(crate) fn app_session_key(agent: &str, app: &str, thread: &str) -> String {
    format!("relay:{agent}:{app}:{thread}")
}

#[derive(Serialize)]
struct ToAgent<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    event_id: &'a str,
    app_id: &'a str,
    thread_id: &'a str,
    session_key: String,
    payload: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    redelivered: Option<bool>,
}

/// An event, for its agent. `None` if its payload is no JSON, which the store alone could have brought about.
pub(crate) fn event(
    event: &str,
    (app, thread): (&str, &str),
    payload: &str,
    redelivered: bool,
) -> Option<String> {
    Some(written(&ToAgent {
        kind: "event",
        event_id: event,
        app_id: app,
        thread_id: thread,
        session_key: format!("relay:{app}:{thread}"),
        payload: serde_json::from_str(payload).ok()?,
        redelivered: redelivered.then_some(true),
    }))
}

#[derive(Serialize)]
struct Token<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    event_id: &'a str,
    agent_id: &'a str,
    #[serde(rename = "token")]
    text: &'a str,
}

/// Part of an answer.
pub(crate) fn token(event: &str, agent: &str, text: &str) -> String {
    written(&Token { kind: "token", event_id: event, agent_id: agent, text })
}

/// That an agent is at work, or no more.
pub(crate) fn typing(event: &str, agent: &str, on: bool) -> String {
    json!({ "type": "typing", "event_id": event, "agent_id": agent, "on": on }).to_string()
}

#[derive(Serialize)]
struct Reply<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    event_id: &'a EventId,
    agent_id: &'a str,
    content: &'a RawValue,
    done: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a RawValue>,
}

/// A final answer, with the payload it answers if that is wanted.
pub(crate) fn reply(
    event: &EventId,
    agent: &str,
    content: &RawValue,
    metadata: Option<&RawValue>,
    payload: Option<&str>,
) -> String {
    let payload = payload.and_then(|payload| serde_json::from_str(payload).ok());
    written(&Reply {
        kind: "reply",
        event_id: event,
        agent_id: agent,
        content,
        done: true,
        metadata,
        payload,
    })
}

#[derive(Serialize)]
struct Failure<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    event_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_id: Option<&'a str>,
    error: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_msg_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a RawValue>,
}

/// Something that is not done.
pub(crate) fn refused(
    refusal: Refusal,
    event: Option<&str>,
    agent: Option<&str>,
    client_id: Option<&str>,
) -> String {
    let retry_after = match refusal {
        Refusal::RateLimited(wait) => Some(wait.as_secs().saturating_add(1)),
        _ => None,
    };
    written(&Failure {
        kind: "error",
        event_id: event,
        agent_id: agent,
        error: refusal.message(),
        code: refusal.code(),
        client_msg_id: client_id,
        retry_after,
        payload: None,
    })
}

/// An event that ended in an error of its agent's, or without it.
pub(crate) fn failed(
    event: &EventId,
    agent: &str,
    (message, code): (&str, &str),
    payload: Option<&str>,
) -> String {
    written(&Failure {
        kind: "error",
        event_id: Some(event.as_str()),
        agent_id: Some(agent),
        error: message,
        code,
        client_msg_id: None,
        retry_after: None,
        payload: payload.and_then(|payload| serde_json::from_str(payload).ok()),
    })
}

/// That an agent's final answer is kept.
pub(crate) fn confirmed(event: &EventId) -> String {
    json!({ "type": "confirmed", "event_id": event }).to_string()
}

/// The agents that an app may send to.
pub(crate) fn agents<'a>(agents: impl Iterator<Item = &'a Agent>) -> String {
    let list: Vec<Value> = agents
        .map(|agent| json!({ "agent_id": agent.id, "name": agent.name, "description": agent.description }))
        .collect();
    json!({ "type": "agents", "agents": list }).to_string()
}

fn written<T: Serialize>(frame: &T) -> String {
    // Our own types serialize; if one did not, an error is the honest rest.
    serde_json::to_string(frame).unwrap_or_else(|_| {
        r#"{"type":"error","event_id":null,"error":"internal error","code":"UNAVAILABLE"}"#.to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOAD: &str = r#"{ "b":1.0,"a":12345678901234567890123, "x":1e400 }"#;

    fn id() -> EventId {
        EventId::parse("evt_01HQ7ZK3V8M2N4P6R8T0W2Y4A6").unwrap()
    }

    #[test]
    fn frames_are_those_of_the_public_protocol() {
        let event_id = id();
        let names = ("athena", "portal", "task:42");
        assert_eq!(
            accepted(event_id.as_str(), names, None, Some(Delivery::Queued)),
            r#"{"type":"accepted","event_id":"evt_01HQ7ZK3V8M2N4P6R8T0W2Y4A6","agent_id":"athena","session_key":"relay:athena:portal:task:42","status":"accepted","delivery":"queued"}"#
        );
        let again = accepted(event_id.as_str(), names, Some("m1"), None);
        assert!(again.ends_with(r#""status":"accepted","client_msg_id":"m1","duplicate":true}"#), "{again}");
        assert_eq!(
            event(event_id.as_str(), ("portal", "task:42"), PAYLOAD, true).unwrap(),
            format!(
                r#"{{"type":"event","event_id":"evt_01HQ7ZK3V8M2N4P6R8T0W2Y4A6","app_id":"portal","thread_id":"task:42","session_key":"relay:portal:task:42","payload":{PAYLOAD},"redelivered":true}}"#
            )
        );
        assert_eq!(
            token(event_id.as_str(), "athena", "Got\n"),
            r#"{"type":"token","event_id":"evt_01HQ7ZK3V8M2N4P6R8T0W2Y4A6","agent_id":"athena","token":"Got\n"}"#
        );
    }

    #[test]
    fn a_payload_is_echoed_byte_for_byte() {
        let content = RawValue::from_string("\"Got it.\"".into()).unwrap();
        assert_eq!(
            reply(&id(), "athena", &content, None, Some(PAYLOAD)),
            format!(
                r#"{{"type":"reply","event_id":"evt_01HQ7ZK3V8M2N4P6R8T0W2Y4A6","agent_id":"athena","content":"Got it.","done":true,"payload":{PAYLOAD}}}"#
            )
        );
        let failed = failed(&id(), "athena", ("model failed", "AGENT_ERROR"), None);
        assert!(
            failed.ends_with(r#""agent_id":"athena","error":"model failed","code":"AGENT_ERROR"}"#),
            "{failed}"
        );
        let refused = refused(Refusal::AgentNotFound, None, Some("nobody"), None);
        assert_eq!(
            refused,
            r#"{"type":"error","event_id":null,"agent_id":"nobody","error":"no such agent","code":"AGENT_NOT_FOUND"}"#
        );
    }
}
