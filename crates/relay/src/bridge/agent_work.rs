//! What an agent's connection has to do beside reading and writing: give it its events, deal with what it says, and be
//! patient for only so long.

use super::agent::Table;
use super::audit::{AuditEntry, What};
use super::bus::Notice;
use super::desk::{Handed, Keep, Mark};
use super::end::Ending;
use super::hear::AgentFrame;
use super::hub::AgentSeat;
use super::id::EventId;
use super::inner::Inner;
use super::intake::Waiting;
use super::record::{EventRecord, decode, events_of};
use super::refusal::Refusal;
use super::say;
use crate::log::Entry;
use crate::notes::Topic;
use crate::runtime::Budget;
use crate::store::StoreError;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tollwire_ledger::Timestamp;
use tollwire_x402::close::CloseCode;

/// Bytes that are read from the log at once.
const READ_BYTES: usize = 256 * 1024;

/// Frames that are dealt with at once: adjacent tokens of one event become one.
const FRAMES_AT_ONCE: usize = 64;

/// How long after a failure of the store it is asked again.
const AGAIN: Duration = Duration::from_millis(500);

/// How often, before the connection is given up.
const TRIES_MAX: u32 = 120;

/// The other half of an agent's connection.
pub(crate) struct AgentWork {
    inner: Arc<Inner>,
    seat: Arc<AgentSeat>,
    frames: Waiting<AgentFrame>,
    table: Arc<Table>,
    budget: Budget,
    over: CancellationToken,
    stream: String,
}

impl AgentWork {
    pub(super) fn new(
        (inner, seat): (Arc<Inner>, Arc<AgentSeat>),
        frames: Waiting<AgentFrame>,
        (table, budget): (Arc<Table>, Budget),
        over: CancellationToken,
    ) -> Self {
        let stream = events_of(&seat.agent);
        Self { inner, seat, frames, table, budget, over, stream }
    }

    /// Works until the connection is gone, and then until what it has said is dealt with.
    pub(crate) async fn run(self) {
        let Self { inner, seat, mut frames, table, budget, over, stream } = self;
        let name = seat.agent.to_string();
        if let Err(error) = inner.show(Topic::Owners, &name, seat.id).await {
            tracing::debug!(%error, "other nodes will learn of an agent later");
        }
        inner.taken(&seat.agent, seat.id).await;
        let side = Side { inner: &inner, seat: &seat, table: &table, stream: &stream };
        let hearing = async {
            loop {
                let batch = frames.next(FRAMES_AT_ONCE).await;
                let count = batch.len();
                if count == 0 {
                    break;
                }
                for frame in merged(batch) {
                    side.deal_with(frame).await;
                }
                frames.done(count);
            }
        };
        let giving = async {
            tokio::select! {
                () = side.give(&budget) => {}
                () = side.watch() => {}
                () = over.cancelled() => {}
            }
        };
        tokio::join!(hearing, giving);
        let owner = inner.notes.get((Topic::Owners, &name), inner.now()).await;
        if owner.is_ok_and(|owner| owner.is_some_and(|owner| owner == seat.id.to_string())) {
            inner.hide(Topic::Owners, &name).await;
        }
    }
}

/// Tokens of one event that follow each other, as one.
fn merged(frames: impl IntoIterator<Item = AgentFrame>) -> Vec<AgentFrame> {
    let mut all: Vec<AgentFrame> = Vec::new();
    for frame in frames {
        match (all.last_mut(), frame) {
            (Some(AgentFrame::Token { event, text }), AgentFrame::Token { event: other, text: more })
                if *event == other =>
            {
                text.push_str(&more);
            }
            (_, frame) => all.push(frame),
        }
    }
    all
}

/// What the parts of the work use.
#[derive(Clone, Copy)]
struct Side<'a> {
    inner: &'a Inner,
    seat: &'a AgentSeat,
    table: &'a Table,
    stream: &'a str,
}

impl Side<'_> {
    /// Gives the agent its events, for ever, as fast as it takes them.
    async fn give(&self, budget: &Budget) {
        let mut cursor = 0;
        loop {
            match self.inner.log.read(self.stream, cursor, READ_BYTES).await {
                Ok(entries) if entries.is_empty() => {
                    self.table.caught_up.store(true, Ordering::Release);
                    self.seat.wake.notified().await;
                }
                Ok(entries) => {
                    cursor = entries.last().map_or(cursor, |entry| entry.seq);
                    let mut given = Vec::with_capacity(entries.len());
                    for entry in entries {
                        given.extend(self.send(entry, budget).await);
                    }
                    self.note_given(given).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "events cannot be read: they will be later");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    /// Sends an event if the agent does not have it. What to note about it then.
    async fn send(&self, entry: Entry, budget: &Budget) -> Option<Given> {
        let Some(event) = decode::<EventRecord>(&entry.body).map(Arc::new) else {
            tracing::error!(stream = self.stream, seq = entry.seq, "an event cannot be read");
            return None;
        };
        let now = self.inner.now();
        let mark = Mark::from_number(entry.mark);
        let handed =
            self.table.desk().hand(&event.id, (entry.seq, mark, entry.until), Arc::clone(&event), now);
        self.table.sooner.notify_one();
        let Handed::Send { again } = handed else { return None };
        let again = self.inner.hub.give(&self.seat.agent, entry.seq) || again;
        let names = (event.app.as_str(), event.thread.as_str());
        let frame = say::event(event.id.as_str(), names, &event.payload, again)?;
        let room = budget.room(Some(frame.len())).await.ok()?;
        self.seat.outbox.answer(frame, room);
        let until =
            entry.until.max(now.after(self.inner.limits.first_token).after(self.inner.limits.next_token));
        Some(Given { seq: entry.seq, until, event })
    }

    async fn note_given(&self, given: Vec<Given>) {
        let notes = given.iter().map(|given| async {
            let marked =
                self.inner.log.mark(self.stream, given.seq, Mark::Given.as_number(), given.until).await;
            if let Err(error) = marked {
                tracing::debug!(%error, "an event may be given again without saying so");
            }
            let entry = AuditEntry::new(What::Delivered, self.inner.now());
            let entry = entry.event(&given.event.id).app(&given.event.app).agent(&self.seat.agent);
            self.inner.audit.note(entry.took(self.inner.now().since(given.event.at()))).await;
        });
        futures_util::future::join_all(notes).await;
    }

    /// Ends events that the agent is too late with, for ever.
    async fn watch(&self) {
        loop {
            let next = self.table.desk().next_deadline();
            let due = async {
                match next {
                    Some(next) => tokio::time::sleep(next.since(self.inner.now())).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.table.sooner.notified() => {}
            }
            loop {
                let late = self.table.desk().overdue(self.inner.now());
                let Some((_, open)) = late else { break };
                let ending = Ending::Refused(Refusal::AgentTimeout);
                self.end((open.seq, &open.event, open.given), &ending).await;
            }
        }
    }

    /// An agent that comes back may speak of its events before they have been put on its new desk: puts one there.
    async fn recall(&self, event: &EventId) {
        if self.table.caught_up.load(Ordering::Acquire) || !event.is_for(&self.seat.agent) {
            return;
        }
        let mut cursor = 0;
        while self.table.desk().get(event).is_none() {
            let Ok(entries) = self.inner.log.read(self.stream, cursor, READ_BYTES).await else { return };
            let Some(last) = entries.last() else { return };
            cursor = last.seq;
            for entry in entries {
                let found = decode::<EventRecord>(&entry.body).filter(|record| record.id == *event);
                if let Some(record) = found {
                    let place = (entry.seq, Mark::Begun, entry.until);
                    self.table.desk().hand(event, place, Arc::new(record), self.inner.now());
                }
            }
        }
    }

    async fn deal_with(&self, frame: AgentFrame) {
        if let Some(event) = frame.event() {
            self.recall(event).await;
        }
        match frame {
            AgentFrame::Token { event, text } => {
                let Some(record) = self.hear(&event, true).await else { return self.refuse(&event).await };
                let (app, to, agent) = (record.app.clone(), record.from, self.seat.agent.clone());
                self.inner.pass(to, Notice::Token { app, to, event, agent, text }).await;
            }
            AgentFrame::Ack { event } => {
                if self.hear(&event, false).await.is_none() {
                    self.refuse(&event).await;
                }
            }
            AgentFrame::Typing { event, on } => {
                let record = self.table.desk().get(&event).map(|open| Arc::clone(&open.event));
                let Some(record) = record else { return self.refuse(&event).await };
                let (app, to, agent) = (record.app.clone(), record.from, self.seat.agent.clone());
                self.inner.pass(to, Notice::Typing { app, to, event, agent, on }).await;
            }
            AgentFrame::Reply { event, content, metadata, confirm } => {
                self.finish(&event, &Ending::Reply { content, metadata }, confirm).await;
            }
            AgentFrame::Error { event, message, code, confirm } => {
                self.finish(&event, &Ending::Error { message, code }, confirm).await;
            }
            AgentFrame::Ping | AgentFrame::Pong => {}
        }
    }

    /// The agent has an event, or is at it.
    async fn hear(&self, event: &EventId, token: bool) -> Option<Arc<EventRecord>> {
        let now = self.inner.now();
        let (record, keep) = {
            let mut desk = self.table.desk();
            let (record, keep) = desk.heard(event, token, now)?;
            (Arc::clone(record), keep)
        };
        self.table.sooner.notify_one();
        if let Some(Keep { seq, until }) = keep {
            let marked = self.inner.log.mark(self.stream, seq, Mark::Begun.as_number(), until).await;
            if let Err(error) = marked {
                tracing::debug!(%error, "an event may be given again although the agent has it");
            }
        }
        Some(record)
    }

    async fn finish(&self, event: &EventId, ending: &Ending, confirm: bool) {
        let open = self.table.desk().finish(event);
        let ended = match open {
            Some(open) => self.end((open.seq, &open.event, open.given), ending).await,
            None => false,
        };
        if !ended {
            self.refuse(event).await;
        } else if confirm {
            self.seat.outbox.say(say::confirmed(event));
        }
    }

    /// Ends an event, however long the store takes for it. Whether it was not over yet.
    async fn end(&self, (seq, event, given): (u64, &EventRecord, Timestamp), ending: &Ending) -> bool {
        for _ in 0..TRIES_MAX {
            let error: StoreError =
                match self.inner.end(&self.seat.agent, (seq, event), Some(given), ending).await {
                    Ok(ended) => return ended,
                    Err(error) => error,
                };
            tracing::warn!(%error, "an answer could not be kept: once more");
            tokio::time::sleep(AGAIN).await;
        }
        // The event is still in the log: the agent gets it again when it comes back.
        self.seat.outbox.cut(CloseCode::Internal);
        true
    }

    /// Tells the agent that it has no such event.
    async fn refuse(&self, event: &EventId) {
        let foreign = !event.is_for(&self.seat.agent);
        if foreign {
            let entry = AuditEntry::new(What::Spoof, self.inner.now());
            self.inner.audit.note(entry.event(event).agent(&self.seat.agent)).await;
        }
        let why = if foreign { "this event is not this agent's" } else { "this event is over" };
        self.seat.outbox.say(say::refused(Refusal::InvalidMessage(why), Some(event.as_str()), None, None));
    }
}

/// An event that was sent.
struct Given {
    seq: u64,
    until: Timestamp,
    event: Arc<EventRecord>,
}
