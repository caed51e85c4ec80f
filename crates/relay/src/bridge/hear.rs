//! Reading frames. A payload is a slice of the frame, never a value.

use super::id::{AgentId, EventId};
use super::refusal::Refusal;
use crate::runtime::Heard;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The longest thread, in bytes.
const THREAD_BYTES_MAX: usize = 512;

/// The longest `client_msg_id`, in characters.
const CLIENT_ID_CHARS_MAX: usize = 128;

/// The longest code of an agent's error, in bytes.
const CODE_BYTES_MAX: usize = 64;

/// What an app says.
#[derive(Debug)]
pub(crate) enum AppFrame {
    Event(Event),
    Discover,
    Ping,
    Pong,
}

/// An event to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) agent: String,
    pub(crate) thread: String,
    pub(crate) client_id: Option<String>,
    /// Byte for byte as it stood in the frame.
    pub(crate) payload: String,
}

/// What an agent says.
#[derive(Debug)]
pub(crate) enum AgentFrame {
    Token { event: EventId, text: String },
    Reply { event: EventId, content: Box<RawValue>, metadata: Option<Box<RawValue>>, confirm: bool },
    Error { event: EventId, message: String, code: Option<String>, confirm: bool },
    Ack { event: EventId },
    Typing { event: EventId, on: bool },
    Ping,
    Pong,
}

impl AgentFrame {
    /// Which event it is about.
    pub(crate) const fn event(&self) -> Option<&EventId> {
        match self {
            Self::Token { event, .. }
            | Self::Reply { event, .. }
            | Self::Error { event, .. }
            | Self::Ack { event }
            | Self::Typing { event, .. } => Some(event),
            Self::Ping | Self::Pong => None,
        }
    }
}

/// A frame that is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unheard {
    pub(crate) refusal: Refusal,
    /// Whether it counts as nonsense.
    pub(crate) heard: Heard,
    /// What the app may know it by.
    pub(crate) client_id: Option<String>,
}

impl Unheard {
    const fn nonsense(why: &'static str) -> Self {
        Self { refusal: Refusal::InvalidMessage(why), heard: Heard::Malformed, client_id: None }
    }

    const fn wrong(refusal: Refusal) -> Self {
        Self { refusal, heard: Heard::Spoken, client_id: None }
    }
}

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct WrittenEvent<'a> {
    #[serde(borrow)]
    agent_id: Cow<'a, str>,
    #[serde(borrow)]
    thread_id: Cow<'a, str>,
    #[serde(borrow)]
    payload: &'a RawValue,
    #[serde(default, borrow)]
    client_msg_id: Option<Cow<'a, str>>,
}

/// An answer as agents write it, the older spellings of `content` and `metadata` included.
#[derive(Deserialize)]
struct WrittenReply<'a> {
    #[serde(borrow)]
    event_id: Cow<'a, str>,
    #[serde(default, borrow)]
    content: Option<&'a RawValue>,
    #[serde(default, borrow)]
    final_reply: Option<&'a RawValue>,
    #[serde(default)]
    done: Option<bool>,
    #[serde(default, borrow)]
    metadata: Option<&'a RawValue>,
    #[serde(default, borrow)]
    tokens_used: Option<&'a RawValue>,
    #[serde(default)]
    confirm: bool,
}

#[derive(Deserialize)]
struct WrittenToken<'a> {
    #[serde(borrow)]
    event_id: Cow<'a, str>,
    token: String,
}

#[derive(Deserialize)]
struct WrittenError<'a> {
    #[serde(borrow)]
    event_id: Cow<'a, str>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    confirm: bool,
}

#[derive(Deserialize)]
struct WrittenNote<'a> {
    #[serde(borrow)]
    event_id: Cow<'a, str>,
    #[serde(default)]
    on: Option<bool>,
}

fn kind(text: &str) -> Result<Cow<'_, str>, Unheard> {
    let object = text.trim_start().starts_with('{');
    let kind = object.then(|| serde_json::from_str::<Kind<'_>>(text).ok()).flatten();
    kind.map(|kind| kind.kind).ok_or(Unheard::nonsense("not a JSON object with a type"))
}

/// Reads an app's frame.
pub(crate) fn app(text: &str, payload_bytes_max: usize) -> Result<AppFrame, Unheard> {
    match kind(text)?.as_ref() {
        "event" => event(text, payload_bytes_max).map(AppFrame::Event),
        "discover" => Ok(AppFrame::Discover),
        "ping" => Ok(AppFrame::Ping),
        "pong" => Ok(AppFrame::Pong),
        _ => Err(Unheard::wrong(Refusal::InvalidMessage("no such type of message"))),
    }
}

fn event(text: &str, payload_bytes_max: usize) -> Result<Event, Unheard> {
    let written: WrittenEvent<'_> = serde_json::from_str(text).map_err(|_| {
        Unheard::wrong(Refusal::InvalidMessage("an event has agent_id, thread_id and payload"))
    })?;
    let client_id = written.client_msg_id.map(Cow::into_owned);
    let wrong = |refusal| Unheard { client_id: client_id.clone(), ..Unheard::wrong(refusal) };
    if client_id.as_ref().is_some_and(|id| id.chars().count() > CLIENT_ID_CHARS_MAX || id.is_empty()) {
        let rule = "client_msg_id has 1 to 128 characters";
        return Err(Unheard::wrong(Refusal::InvalidMessage(rule)));
    }
    if written.thread_id.is_empty() || written.thread_id.len() > THREAD_BYTES_MAX {
        return Err(wrong(Refusal::InvalidMessage("thread_id has 1 to 512 bytes")));
    }
    if written.payload.get().len() > payload_bytes_max {
        return Err(wrong(Refusal::PayloadTooLarge));
    }
    Ok(Event {
        agent: written.agent_id.into_owned(),
        thread: written.thread_id.into_owned(),
        payload: written.payload.get().to_owned(),
        client_id,
    })
}

/// Reads an agent's frame.
pub(crate) fn agent(text: &str) -> Result<AgentFrame, Unheard> {
    const RULE: &str = "an event_id of an event that was sent, and what belongs to this type";
    let kind = kind(text)?;
    let frame = match kind.as_ref() {
        "token" => token(text),
        "reply" => reply(text),
        "error" => error(text),
        "ack" | "typing" => note(text, &kind),
        "ping" => Some(AgentFrame::Ping),
        "pong" => Some(AgentFrame::Pong),
        _ => return Err(Unheard::wrong(Refusal::InvalidMessage("no such type of message"))),
    };
    frame.ok_or(Unheard::wrong(Refusal::InvalidMessage(RULE)))
}

fn token(text: &str) -> Option<AgentFrame> {
    let written: WrittenToken<'_> = serde_json::from_str(text).ok()?;
    Some(AgentFrame::Token { event: EventId::parse(&written.event_id)?, text: written.token })
}

/// An answer that says it is not done is part of one: a token.
fn reply(text: &str) -> Option<AgentFrame> {
    let written: WrittenReply<'_> = serde_json::from_str(text).ok()?;
    let event = EventId::parse(&written.event_id)?;
    let content = written.content.or(written.final_reply)?;
    if written.done == Some(false) {
        let text = serde_json::from_str(content.get()).ok()?;
        return Some(AgentFrame::Token { event, text });
    }
    let metadata = written.metadata.map(ToOwned::to_owned).or_else(|| {
        let used = written.tokens_used?;
        RawValue::from_string(format!("{{\"tokens_used\":{}}}", used.get())).ok()
    });
    Some(AgentFrame::Reply { event, content: content.to_owned(), metadata, confirm: written.confirm })
}

fn error(text: &str) -> Option<AgentFrame> {
    let written: WrittenError<'_> = serde_json::from_str(text).ok()?;
    let code = written.code.filter(|code| code.len() <= CODE_BYTES_MAX);
    let message = written.error.unwrap_or_else(|| "the agent failed".to_owned());
    let event = EventId::parse(&written.event_id)?;
    Some(AgentFrame::Error { event, message, code, confirm: written.confirm })
}

fn note(text: &str, kind: &str) -> Option<AgentFrame> {
    let written: WrittenNote<'_> = serde_json::from_str(text).ok()?;
    let event = EventId::parse(&written.event_id)?;
    Some(match kind {
        "ack" => AgentFrame::Ack { event },
        _ => AgentFrame::Typing { event, on: written.on.unwrap_or(true) },
    })
}

/// Whether an event's agent can be one at all.
pub(crate) fn agent_id(text: &str) -> Option<AgentId> {
    text.parse().ok()
}

#[cfg(test)]
mod tests;
