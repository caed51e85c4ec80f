//! The end of an event: one final answer, in one step with the event's own end.

use super::audit::{AuditEntry, What};
use super::id::AgentId;
use super::inner::Inner;
use super::record::{AnswerRecord, EventRecord, answers_of, encode, events_of};
use super::refusal::Refusal;
use super::say;
use crate::store::StoreError;
use crate::telemetry;
use serde_json::value::RawValue;
use tollwire_ledger::Timestamp;

/// How an event ends.
#[derive(Debug, Clone)]
pub(crate) enum Ending {
    /// The agent's answer.
    Reply { content: Box<RawValue>, metadata: Option<Box<RawValue>> },
    /// The agent's error.
    Error { message: String, code: Option<String> },
    /// Without the agent.
    Refused(Refusal),
}

/// The code of an agent's error that names none.
const AGENT_ERROR: &str = "AGENT_ERROR";

impl Inner {
    /// Ends an event that lies in its agent's stream under `seq`. Whether it was still there.
    pub(crate) async fn end(
        &self,
        agent: &AgentId,
        (seq, event): (u64, &EventRecord),
        given: Option<Timestamp>,
        ending: &Ending,
    ) -> Result<bool, StoreError> {
        let payload = event.echo.then_some(event.payload.as_str());
        let (frame, what, code) = match ending {
            Ending::Reply { content, metadata } => {
                let frame = say::reply(&event.id, agent.as_str(), content, metadata.as_deref(), payload);
                (frame, What::Replied, None)
            }
            Ending::Error { message, code } => {
                let code = code.as_deref().unwrap_or(AGENT_ERROR);
                let frame = say::failed(&event.id, agent.as_str(), (message, code), payload);
                (frame, What::Failed, Some(AGENT_ERROR))
            }
            Ending::Refused(refusal) => {
                let said = (refusal.message(), refusal.code());
                (say::failed(&event.id, agent.as_str(), said, payload), What::Failed, Some(refusal.code()))
            }
        };
        let now = self.now();
        let entry = AuditEntry::new(what, now).event(&event.id).app(&event.app).agent(agent);
        let mut entry = entry.thread(&event.thread).content(&frame).took(now.since(event.at()));
        if let Some(code) = code {
            entry = entry.code(code);
        }
        let answer = AnswerRecord { id: event.id.clone(), agent: agent.clone(), to: event.from, frame };
        let (from, to) = (events_of(agent), answers_of(&event.app));
        let until = now.after(self.limits.reply_ttl);
        let carried = self.log.carry(&from, seq, &to, encode(&answer), until).await?;
        if carried.is_none() {
            // It may have been us, with an answer of the store's that was lost: then its app waits.
            self.wake_app(&event.app, event.from).await;
            return Ok(false);
        }
        telemetry::answered(code.unwrap_or("replied"), now.since(given.unwrap_or_else(|| event.at())));
        self.wake_app(&event.app, event.from).await;
        self.audit.note(entry).await;
        Ok(true)
    }
}
