//! From an app's event to its place in the agent's queue.

use super::audit::{AuditEntry, What};
use super::hear::{Event, agent_id};
use super::hub::AppSeat;
use super::id::{AgentId, EventId};
use super::inner::Inner;
use super::record::{EventRecord, answers_of, encode, events_of};
use super::refusal::Refusal;
use super::registry::{Agent, App, Offline};
use super::say::{self, Delivery};
use crate::log::{Append, Appended, Caps, Once, Overflow};
use crate::telemetry;

/// What became of an event.
pub(crate) struct Submitted {
    /// What its app is told.
    pub(crate) frame: String,
    /// Who has something to do, once the app was told, and in which conversation.
    pub(crate) wake: Option<(AgentId, String)>,
}

/// An event that is not accepted.
struct Refused {
    refusal: Refusal,
    /// The name it would have had.
    event: Option<EventId>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, event: None }
    }
}

impl Inner {
    /// Takes an event. What the app is told must be queued before the agent is woken, or the answer could overtake it.
    pub(crate) async fn submit(&self, seat: &AppSeat, event: &Event) -> Submitted {
        let outcome = self.try_submit(seat, event).await;
        telemetry::event(outcome.as_ref().map_or_else(|refused| refused.refusal.code(), |_| "accepted"));
        match outcome {
            Ok(submitted) => submitted,
            Err(Refused { refusal, event: id }) => {
                let mut entry =
                    AuditEntry::new(What::Refused, self.now()).app(&seat.app).code(refusal.code());
                entry = entry.thread(&event.thread).content(&event.payload);
                if let Some(agent) = agent_id(&event.agent) {
                    entry = entry.agent(&agent);
                }
                if let Some(id) = &id {
                    entry = entry.event(id);
                }
                self.audit.note(entry).await;
                let id = id.as_ref().map(EventId::as_str);
                let frame = say::refused(refusal, id, Some(&event.agent), event.client_id.as_deref());
                Submitted { frame, wake: None }
            }
        }
    }

    async fn try_submit(&self, seat: &AppSeat, event: &Event) -> Result<Submitted, Refused> {
        let registry = self.directory.present();
        let app = registry.apps.get(&seat.app).ok_or(Refusal::NotAllowed)?;
        self.admit(app).map_err(Refusal::RateLimited)?;
        let agent = agent_id(&event.agent).and_then(|id| registry.agents.get(&id));
        let agent = agent.filter(|agent| agent.org == app.org).ok_or(Refusal::AgentNotFound)?;
        if !agent.admits(app) {
            return Err(Refusal::NotAllowed.into());
        }
        let answers = answers_of(&app.id);
        let (online, waiting) = tokio::join!(self.is_online(&agent.id), self.log.depth(&answers));
        let waiting = waiting.map_err(|error| unavailable(&error))?;
        if waiting.count >= self.limits.replies_max {
            return Err(Refusal::AnswersWaiting.into());
        }
        let id = self.name(&agent.id)?;
        if !online && agent.offline == Offline::Reject {
            let refusal = Refusal::AgentOffline("the agent is offline");
            return Err(Refused { refusal, event: Some(id) });
        }
        let delivery = if online { Delivery::Delivered } else { Delivery::Queued };
        self.keep(seat, (app, agent), event, (id, delivery)).await
    }

    fn name(&self, agent: &AgentId) -> Result<EventId, Refusal> {
        let mut random = [0; 6];
        getrandom::fill(&mut random).map_err(|_| Refusal::Unavailable)?;
        Ok(EventId::new(self.now(), random, agent))
    }

    async fn keep(
        &self,
        seat: &AppSeat,
        (app, agent): (&App, &Agent),
        event: &Event,
        (id, delivery): (EventId, Delivery),
    ) -> Result<Submitted, Refused> {
        let now = self.now();
        // An append is sent again when the store's connection breaks; its own name makes that harmless.
        let key = match &event.client_id {
            Some(client_id) => format!("{}:{client_id}", app.id),
            None => format!("{}!{id}", app.id),
        };
        let record = EventRecord {
            id: id.clone(),
            app: app.id.clone(),
            thread: event.thread.clone(),
            from: seat.id,
            at: now.millis(),
            echo: app.echo_payload,
            payload: event.payload.clone(),
        };
        let new = Append {
            body: encode(&record),
            until: now.after(self.limits.queue_ttl),
            once: Some(Once { key, until: now.after(self.limits.duplicate_window), memo: id.to_string() }),
        };
        let caps = Caps {
            count: self.limits.queue_events_max,
            bytes: self.limits.queue_bytes_max,
            overflow: Overflow::Refuse,
        };
        let stream = events_of(&agent.id);
        let appended = self.log.append(&stream, new, caps, now).await.map_err(|error| unavailable(&error))?;
        let names = (agent.id.as_str(), app.id.as_str(), event.thread.as_str());
        let client_id = event.client_id.as_deref();
        match appended {
            Appended::Full => {
                let refusal = Refusal::AgentOffline("the agent's queue is full");
                return Err(Refused { refusal, event: Some(id) });
            }
            Appended::Duplicate { memo } if memo != id.as_str() => {
                return Ok(Submitted { frame: say::accepted(&memo, names, client_id, None), wake: None });
            }
            Appended::Stored(_) | Appended::Duplicate { .. } => {}
        }
        let entry = AuditEntry::new(What::Accepted, now).event(&id).app(&app.id).agent(&agent.id);
        self.audit.note(entry.thread(&event.thread).content(&event.payload)).await;
        let frame = say::accepted(id.as_str(), names, client_id, Some(delivery));
        Ok(Submitted { frame, wake: Some((agent.id.clone(), event.thread.clone())) })
    }
}

fn unavailable(error: &crate::store::StoreError) -> Refusal {
    tracing::warn!(%error, "an event could not be kept");
    Refusal::Unavailable
}
