//! Final answers on their way to one connection of an app. Each stays in the log until a pong has come that was asked for
//! after it: then it has arrived.

use super::audit::{AuditEntry, What};
use super::hub::AppSeat;
use super::id::EventId;
use super::inner::Inner;
use super::record::{AnswerRecord, answers_of, decode};
use crate::log::Entry;
use crate::notes::Topic;
use crate::runtime::Budget;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Bytes that are read from the log at once.
const READ_BYTES: usize = 256 * 1024;

/// How long one node takes care of another's answer before a third may.
const CLAIM_TTL: Duration = Duration::from_secs(60);

/// How long until answers that seemed to be another connection's are looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// The answers of one connection.
pub(super) struct Answers {
    inner: Arc<Inner>,
    seat: Arc<AppSeat>,
    budget: Budget,
    stream: String,
    /// All up to here have been looked at.
    cursor: u64,
    /// Those that were queued and have not arrived: with the probe that follows them.
    sent: BTreeMap<u64, (u64, EventId)>,
    /// The last probe.
    probe: u64,
    /// Whether some were left to connections of other nodes.
    left: bool,
}

impl Answers {
    pub(super) fn new(inner: Arc<Inner>, seat: Arc<AppSeat>, budget: Budget) -> Self {
        let stream = answers_of(&seat.app);
        Self { inner, seat, budget, stream, cursor: 0, sent: BTreeMap::new(), probe: 0, left: false }
    }

    /// Passes answers on, for ever.
    pub(super) async fn run(&mut self) {
        loop {
            if self.seat.should_look_back() {
                (self.cursor, self.left) = (0, false);
            }
            if let Err(error) = Box::pin(self.pass_on()).await {
                tracing::warn!(%error, "answers cannot be read: they will be later");
                self.left = true;
            }
            if let Some(probe) = self.wait().await {
                Box::pin(self.acknowledge(probe)).await;
            }
        }
    }

    /// Waits until there may be answers, or until a probe has come back: that.
    async fn wait(&self) -> Option<u64> {
        if self.left {
            return Box::pin(self.wait_or_look_again()).await;
        }
        tokio::select! {
            () = self.seat.wake.notified() => None,
            probe = self.seat.came_back() => Some(probe),
        }
    }

    async fn wait_or_look_again(&self) -> Option<u64> {
        tokio::select! {
            () = self.seat.wake.notified() => None,
            probe = self.seat.came_back() => Some(probe),
            () = tokio::time::sleep(LOOK_AGAIN) => {
                self.seat.look_back();
                None
            }
        }
    }

    /// Queues what is there, as fast as the app takes it.
    async fn pass_on(&mut self) -> Result<(), crate::store::StoreError> {
        loop {
            let entries = self.inner.log.read(&self.stream, self.cursor, READ_BYTES).await?;
            if entries.is_empty() {
                return Ok(());
            }
            let before = self.sent.len();
            for entry in entries {
                self.cursor = entry.seq;
                if !self.sent.contains_key(&entry.seq) && !self.pass(entry).await? {
                    return Ok(());
                }
            }
            if self.sent.len() > before {
                self.probe = self.probe.saturating_add(1);
                self.seat.outbox.probe(self.probe);
            }
        }
    }

    /// Queues an answer if it is this connection's to take. `false` once the connection is gone.
    async fn pass(&mut self, entry: Entry) -> Result<bool, crate::store::StoreError> {
        let Some(answer) = decode::<AnswerRecord>(&entry.body) else {
            tracing::error!(stream = self.stream, seq = entry.seq, "an answer cannot be read: it is dropped");
            self.inner.log.acknowledge(&self.stream, entry.seq).await?;
            return Ok(true);
        };
        if !self.is_ours(entry.seq, &answer).await? {
            self.left = true;
            return Ok(true);
        }
        let Ok(room) = self.budget.room(Some(answer.frame.len())).await else { return Ok(false) };
        self.sent.insert(entry.seq, (self.probe.saturating_add(1), answer.id));
        self.seat.outbox.answer(answer.frame, room);
        Ok(true)
    }

    async fn is_ours(&self, seq: u64, answer: &AnswerRecord) -> Result<bool, crate::store::StoreError> {
        if answer.to == self.seat.id {
            return Ok(true);
        }
        if self.inner.is_open(&self.seat.app, answer.to).await || !self.inner.hub.claim(&self.seat, seq) {
            return Ok(false);
        }
        if !self.inner.bus.is_shared() {
            return Ok(true);
        }
        let (name, now) = (format!("{}:{seq}", self.seat.app), self.inner.now());
        let holder = self.seat.id.to_string().into();
        self.inner.notes.claim((Topic::Claims, &name), holder, Some(now.after(CLAIM_TTL)), now).await
    }

    /// What was queued before this probe has arrived.
    async fn acknowledge(&mut self, probe: u64) {
        if probe > self.probe {
            return; // not one of ours
        }
        let came: Vec<u64> =
            self.sent.iter().filter(|(_, (after, _))| *after <= probe).map(|(seq, _)| *seq).collect();
        for seq in came {
            match self.inner.log.acknowledge(&self.stream, seq).await {
                Ok(first) => {
                    let Some((_, id)) = self.sent.remove(&seq) else { continue };
                    self.inner.hub.settled(&self.seat.app, seq);
                    if first {
                        let entry = AuditEntry::new(What::Received, self.inner.now());
                        self.inner.audit.note(entry.event(&id).app(&self.seat.app)).await;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "an answer that arrived will be sent again");
                    return;
                }
            }
        }
    }

    /// Whether any are left for the app.
    pub(super) async fn are_waiting(&self) -> bool {
        self.inner.log.depth(&self.stream).await.map_or(true, |depth| depth.count > 0)
    }
}
