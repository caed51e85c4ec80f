//! What has to be done now and then: registrations that changed, entries that lapsed, and telling other nodes who is here.

use super::audit::{AuditEntry, What};
use super::desk::Mark;
use super::end::Ending;
use super::hub::AgentSeat;
use super::inner::{Inner, PRESENCE_TTL};
use super::record::{AnswerRecord, EventRecord, Stream, decode};
use super::refusal::Refusal;
use crate::log::Entry;
use crate::notes::Topic;
use crate::store::StoreError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tollwire_x402::close::CloseCode;

const TURN: Duration = Duration::from_secs(1);

/// Lapsed entries that are dealt with at once.
const LAPSED_AT_ONCE: usize = 100;

/// Connections that are shown to other nodes at once.
const SHOWN_AT_ONCE: usize = 64;

/// After how many turns other nodes are told who is here, and everybody looks into the log.
const SHOW_EVERY: u64 = PRESENCE_TTL.as_secs() / 3;
const LOOK_EVERY: u64 = 30;

/// Keeps a bridge in order until `stop`. `refresh` has it look at the registrations at once.
pub(super) async fn keep(inner: Arc<Inner>, refresh: Arc<Notify>, stop: CancellationToken) {
    let mut turns = interval(TURN);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut turn = 0_u64;
    loop {
        let ticked = tokio::select! {
            _ = turns.tick() => true,
            () = refresh.notified() => false,
            () = stop.cancelled() => return,
        };
        if let Err(error) = inner.directory.refresh(inner.now()).await {
            tracing::warn!(%error, "registrations cannot be read: those known stay in force");
        }
        inner.drop_the_revoked();
        if !ticked {
            continue;
        }
        turn = turn.wrapping_add(1);
        if let Err(error) = inner.clear_lapsed().await {
            tracing::warn!(%error, "lapsed events and answers wait");
        }
        if inner.bus.is_shared() && turn.is_multiple_of(SHOW_EVERY) {
            inner.show_all().await;
        }
        if turn.is_multiple_of(LOOK_EVERY) {
            inner.wake_all();
            if let Err(error) = inner.notes.sweep(inner.now()).await {
                tracing::warn!(%error, "lapsed notes wait");
            }
        }
    }
}

impl Inner {
    /// Deals with entries of the log whose time is over.
    async fn clear_lapsed(&self) -> Result<(), StoreError> {
        loop {
            let lapsed = self.log.expired(self.now(), LAPSED_AT_ONCE).await?;
            let all = lapsed.len();
            for (name, entry) in lapsed {
                self.lapse(&name, &entry).await?;
            }
            if all < LAPSED_AT_ONCE {
                return Ok(());
            }
        }
    }

    async fn lapse(&self, name: &str, entry: &Entry) -> Result<(), StoreError> {
        match Stream::of(name) {
            Some(Stream::Events(agent)) => {
                let Some(event) = decode::<EventRecord>(&entry.body) else {
                    tracing::error!(name, seq = entry.seq, "an event cannot be read: it is dropped");
                    return self.log.acknowledge(name, entry.seq).await.map(drop);
                };
                let refusal = match Mark::from_number(entry.mark) {
                    Mark::Begun => Refusal::AgentTimeout,
                    Mark::Waiting | Mark::Given => Refusal::AgentOffline("the agent did not come in time"),
                };
                let ending = Ending::Refused(refusal);
                self.end(&agent, (entry.seq, &event), None, &ending).await.map(drop)
            }
            Some(Stream::Answers(app)) => {
                let first = self.log.acknowledge(name, entry.seq).await?;
                if let (true, Some(answer)) = (first, decode::<AnswerRecord>(&entry.body)) {
                    let note = AuditEntry::new(What::Lapsed, self.now()).event(&answer.id);
                    self.audit.note(note.app(&app).agent(&answer.agent)).await;
                }
                Ok(())
            }
            Some(Stream::Audit) | None => self.log.acknowledge(name, entry.seq).await.map(drop),
        }
    }

    /// Tells other nodes which connections are open here. An agent that meanwhile has another elsewhere loses this one.
    async fn show_all(&self) {
        for seats in self.hub.all_apps().chunks(SHOWN_AT_ONCE) {
            let shown = seats.iter().map(|seat| async {
                let name = seat.id.to_string();
                self.show(Topic::Connections, &name, seat.id).await
            });
            futures_util::future::join_all(shown).await;
        }
        for seats in self.hub.all_agents().chunks(SHOWN_AT_ONCE) {
            futures_util::future::join_all(seats.iter().map(|seat| self.show_agent(seat))).await;
        }
    }

    async fn show_agent(&self, seat: &AgentSeat) -> Result<(), StoreError> {
        let key = (Topic::Owners, seat.agent.as_str());
        let owner = self.notes.get(key, self.now()).await?;
        if owner.is_some_and(|owner| owner != seat.id.to_string()) {
            seat.outbox.cut(CloseCode::Replaced);
            return Ok(());
        }
        self.show(key.0, key.1, seat.id).await
    }
}
