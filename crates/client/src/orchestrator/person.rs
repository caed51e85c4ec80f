//! A person's side of the connection: which frames are told, and that each is told once.

use super::Event;
use super::desk::Desk;
use crate::bridge::{Recent, Renewed, Side};
use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use tollwire_x402::close::CloseCode;

/// What a person's client remembers between connections.
pub(super) struct Person {
    pub(super) desk: Desk,
    pub(super) session: String,
    /// Messages that were told.
    pub(super) told: Recent,
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Data {
    content: String,
    agent_id: String,
    agent_name: String,
    message_id: Option<String>,
    amount_usdc: String,
    action: String,
    description: String,
    payment_id: String,
    expires_at: String,
    payment_required: Option<Box<RawValue>>,
    tx_hash: String,
    source: Option<String>,
    error_type: String,
    message: String,
    reason: String,
}

impl Side for Person {
    type Command = String;
    type Event = Event;

    async fn renew(&mut self) -> Renewed {
        match self.desk.post(&format!("/api/sessions/{}/token", self.session)).await {
            Ok(Ok(opened)) => Renewed::With(opened.token),
            Ok(Err(StatusCode::UNAUTHORIZED)) => Renewed::Never(CloseCode::Unauthorized.code()),
            Ok(Err(StatusCode::NOT_FOUND)) => Renewed::Never(CloseCode::SessionNotFound.code()),
            Ok(Err(_)) | Err(_) => Renewed::Later,
        }
    }

    fn opened(&mut self) -> Vec<String> {
        Vec::new()
    }

    fn asked(&mut self, command: String) -> String {
        command
    }

    fn heard(&mut self, text: &str) -> (Option<String>, Option<Event>) {
        (None, self.event(text))
    }

    fn connected() -> Event {
        Event::Connected
    }

    fn ended(code: u16) -> Event {
        Event::Ended { code }
    }
}

impl Person {
    fn event(&mut self, text: &str) -> Option<Event> {
        let frame: Frame<'_> = serde_json::from_str(text).ok()?;
        let data: Data = serde_json::from_str(frame.data.get()).ok()?;
        if data.message_id.as_ref().is_some_and(|id| !self.told.note(id)) {
            return None;
        }
        let again =
            frame.kind == "PAYMENT_SUCCESSFUL" && !self.told.note(&format!("paid {}", data.payment_id));
        if again {
            return None;
        }
        Some(match frame.kind.as_str() {
            "AGENT_MESSAGE" => {
                Event::Said { content: data.content, agent_id: data.agent_id, agent_name: data.agent_name }
            }
            "PAYMENT_REQUEST" => Event::Asked {
                amount: data.amount_usdc.parse().ok()?,
                agent_name: data.agent_name,
                action: data.action,
                description: data.description,
                payment_id: data.payment_id,
                expires_at: data.expires_at,
                payment_required: data.payment_required,
            },
            "PAYMENT_SUCCESSFUL" => Event::Paid {
                amount: data.amount_usdc.parse().ok()?,
                transaction: data.tx_hash,
                source: data.source,
            },
            "ERROR" => Event::Failed { error_type: data.error_type, message: data.message },
            "SESSION_CLOSED" => Event::Closed { reason: data.reason },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn frames_are_told_once() {
        let desk = Desk::new(&Config::new("https://relay.example", "k")).unwrap();
        let mut person = Person { desk, session: "s".into(), told: Recent::default() };
        let said = r#"{"type":"AGENT_MESSAGE","data":{"content":"hi","agent_id":"a","agent_name":"A","message_id":"m"}}"#;
        assert!(matches!(person.event(said), Some(Event::Said { content, .. }) if content == "hi"));
        assert!(person.event(said).is_none(), "the same message");
        let asked = r#"{"type":"PAYMENT_REQUEST","data":{"amount_usdc":"0.05","agent_name":"A","action":"a","description":"d","payment_required":{"x402Version":2}}}"#;
        for _ in 0..2 {
            let event = person.event(asked);
            assert!(matches!(event, Some(Event::Asked { amount, .. }) if amount.atomic() == 50_000));
        }
        let paid =
            r#"{"type":"PAYMENT_SUCCESSFUL","data":{"amount_usdc":"0.05","tx_hash":"0x1","payment_id":"p"}}"#;
        assert!(person.event(paid).is_some() && person.event(paid).is_none());
        assert!(person.event("{}").is_none());
        assert!(!format!("{:?}", Config::new("https://relay.example", "s3cret")).contains("s3cret"));
        assert!(Desk::new(&Config::new("http://relay.example", "k")).is_err(), "a key in the clear");
    }
}
