//! `?control=v1`: what a stream and its agent say to each other about money, between the feed's own messages.
//!
//! The names mirror x402's MCP transport. The agent sends `x402/payment`; it is told `x402/payment-required`,
//! `x402/payment-response`, `x402/receipt` and `x402/error`, each signed over the bytes of its `data` for this session, so
//! that an upstream, which writes to the same socket, cannot speak in our name.

mod message;
mod notice;
mod pay;

use crate::error::Error;
use crate::gate::Gate;
use crate::http::problem;
use message::{ERROR, Unread};
use serde::Serialize;
use serde_json::json;
use std::net::IpAddr;
use std::sync::Arc;
use tollwire_ledger::BoxFuture;
use tollwire_ledger::model::Session;
use tollwire_proxy::InBand;
use tollwire_session::ControlMessage;
use tollwire_x402::SessionId;

/// One stream's conversation with its agent.
pub(crate) struct Conversation {
    gate: Arc<Gate>,
    session: SessionId,
    /// The key that the session is bound to; whoever opened the stream has shown it.
    key: Option<String>,
    /// Where the agent's connection came from, for the caps.
    address: Option<IpAddr>,
}

impl Conversation {
    pub(crate) fn new(
        gate: &Arc<Gate>,
        session: &SessionId,
        key: Option<String>,
        address: Option<IpAddr>,
    ) -> Self {
        Self { gate: Arc::clone(gate), session: session.clone(), key, address }
    }

    /// A message of ours, signed.
    fn say(&self, kind: &'static str, id: Option<&str>, data: &impl Serialize) -> Option<String> {
        let said = serde_json::to_string(data).ok().and_then(|data| {
            let message = ControlMessage { kind, id, data: &data };
            let now = self.gate.clock.now().secs();
            let jws = self.gate.keys().issuer.issue_control(&self.session, &message, now).ok()?;
            message::write(&message, &jws)
        });
        if said.is_some() {
            metrics::counter!("tollwire_control_messages_total", "type" => kind).increment(1);
        } else {
            tracing::error!(kind, "a control message could not be signed");
        }
        said
    }

    /// Says what is wrong with what the agent said, or with what it asked for.
    fn complain(&self, id: Option<&str>, error: &Error) -> Option<String> {
        let problem = problem(error);
        self.say(ERROR, id, &json!({ "error": problem.kind(), "message": problem.detail() }))
    }
}

impl InBand for Conversation {
    fn heard(&self, message: String) -> BoxFuture<'_, Vec<String>> {
        Box::pin(async move {
            let answer = match message::read(&message) {
                Ok(said) => self.pay(said).await,
                Err(Unread { id, error }) => self.complain(id.as_deref(), &error),
            };
            answer.into_iter().collect()
        })
    }

    fn malformed(&self, why: &'static str) -> BoxFuture<'_, Vec<String>> {
        let answer = self.complain(None, &Error::malformed("message", why));
        Box::pin(std::future::ready(answer.into_iter().collect()))
    }

    fn low<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, Option<String>> {
        Box::pin(self.ask_for_more(session))
    }

    fn parting<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, Option<String>> {
        Box::pin(std::future::ready(self.account(session)))
    }
}
