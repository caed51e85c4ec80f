//! An agent's connection.

use super::agent_work::AgentWork;
use super::desk::{Desk, Waits};
use super::hear::{self, AgentFrame};
use super::hub::AgentSeat;
use super::inner::Inner;
use super::intake::{Intake, intake};
use super::record::EventRecord;
use super::say;
use crate::runtime::{Budget, Heard, Protocol};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Frames of one connection that wait to be dealt with; then no more is read.
const WAITING_MAX: usize = 64;

/// An agent's connection, as the runtime sees it. Dropping it takes the agent's seat.
pub(crate) struct AgentLink {
    inner: Arc<Inner>,
    seat: Arc<AgentSeat>,
    frames: Intake<AgentFrame>,
    over: CancellationToken,
}

/// What the parts of an agent's connection share.
#[derive(Debug)]
pub(super) struct Table {
    desk: Mutex<Desk<Arc<EventRecord>>>,
    /// A deadline may have come nearer.
    pub(super) sooner: Notify,
    /// All that waited when the agent came has been put on the desk.
    pub(super) caught_up: AtomicBool,
}

impl Table {
    fn new(waits: Waits) -> Self {
        Self { desk: Mutex::new(Desk::new(waits)), sooner: Notify::new(), caught_up: AtomicBool::new(false) }
    }

    pub(super) fn desk(&self) -> MutexGuard<'_, Desk<Arc<EventRecord>>> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes both halves of a connection whose seat was taken.
pub(crate) fn link(inner: &Arc<Inner>, seat: &Arc<AgentSeat>, budget: Budget) -> (AgentLink, AgentWork) {
    let ((frames, waiting), over) = (intake(WAITING_MAX), CancellationToken::new());
    let waits = Waits { first: inner.limits.first_token, next: inner.limits.next_token };
    let table = Arc::new(Table::new(waits));
    let work = AgentWork::new((Arc::clone(inner), Arc::clone(seat)), waiting, (table, budget), over.clone());
    (AgentLink { inner: Arc::clone(inner), seat: Arc::clone(seat), frames, over }, work)
}

impl Protocol for AgentLink {
    fn heard(&self, text: &str) -> Heard {
        if text.len() > self.inner.limits.reply_bytes_max {
            self.seat.outbox.say(say::refused(super::refusal::Refusal::PayloadTooLarge, None, None, None));
            return Heard::Spoken;
        }
        match hear::agent(text) {
            Ok(AgentFrame::Ping) => self.seat.outbox.say(say::PONG.to_owned()),
            Ok(AgentFrame::Pong) => {}
            Ok(frame) => self.frames.put(frame),
            Err(unheard) => {
                self.seat.outbox.say(say::refused(unheard.refusal, None, None, None));
                return unheard.heard;
            }
        }
        Heard::Spoken
    }

    async fn ready(&self) {
        self.frames.ready().await;
    }

    async fn wind_down(&self) {
        self.frames.dealt_with().await;
    }
}

impl Drop for AgentLink {
    fn drop(&mut self) {
        self.inner.hub.leave_agent(&self.seat);
        self.over.cancel();
    }
}
