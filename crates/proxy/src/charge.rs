//! What one opening of a stream costs: a unit held, then captured, given back if it was not served.

use crate::OpenError;
use crate::shared::Shared;
use crate::store::may_recover;
use crate::telemetry;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};
use tollwire_ledger::{Command, Error, Outcome};
use tollwire_x402::close::CloseCode;
use tollwire_x402::{SessionId, StreamId};

/// Tries to capture before an open is given up.
const CAPTURE_TRIES: u32 = 3;

/// First pause between tries; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// The longest pause between tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How long giving back is tried: the ledger's own window for a reversal. A mere hold lapses earlier by itself.
const UNDO_WITHIN: Duration = tollwire_ledger::core::REVERSE_WINDOW;

/// One opening's account with the ledger. Dropped unsettled, it settles itself in a task of its own: whatever
/// becomes of a request, its unit is either served or given back.
pub(crate) struct Charge {
    shared: Arc<Shared>,
    session: SessionId,
    stream: StreamId,
    fence: u64,
    /// Units captured by earlier openings of this stream.
    before: u64,
    /// For how long those had been running when this opening's hold was answered.
    ran: Duration,
    held_at: Instant,
    /// Units captured in all.
    captured: u64,
    stage: Stage,
    /// The session's revision when the ledger last answered.
    revision: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Held, to be given back.
    Held,
    /// Captured, or perhaps so, for something not served yet: to be reversed.
    Captured,
    /// Served: nothing comes back, but the stream's end must be told.
    Served,
    /// Nothing left to do.
    Settled,
}

/// Why a live stream gets no further unit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// It has to end, with this code.
    Over(CloseCode),
    /// The ledger could not answer.
    Store(Error),
}

impl Charge {
    /// Holds what the stream needs to open, waiting a little for units that are held elsewhere.
    pub(crate) async fn hold(
        shared: &Arc<Shared>,
        session: SessionId,
        stream: StreamId,
    ) -> Result<Self, OpenError> {
        let lease = shared.config.upstream_dial.saturating_add(shared.config.lease_margin);
        let command =
            Command::Hold { session: session.clone(), stream: stream.clone(), fence: None, to: 1, lease };
        match hold_patiently(shared, command).await? {
            Outcome::Held { fence, posted, since_capture, session: row } => Ok(Self {
                shared: Arc::clone(shared),
                session,
                stream,
                fence,
                before: posted,
                ran: since_capture,
                held_at: Instant::now(),
                captured: posted,
                stage: Stage::Held,
                revision: row.revision,
            }),
            refusal => Err(refused(&refusal)),
        }
    }

    pub(crate) fn session(&self) -> &SessionId {
        &self.session
    }

    pub(crate) fn stream(&self) -> &StreamId {
        &self.stream
    }

    pub(crate) fn fence(&self) -> u64 {
        self.fence
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// Captures what is held. `live_for` bounds how long the ledger takes the stream for live.
    pub(crate) async fn capture(&mut self, live_for: Duration) -> Result<(), OpenError> {
        // From here on the unit may be captured, whatever we hear of it.
        self.stage = Stage::Captured;
        let to = self.before.max(1);
        let mut pause = FIRST_PAUSE;
        let mut tries = 1;
        let outcome = loop {
            match self.post(to, live_for).await {
                Err(error) if tries < CAPTURE_TRIES && may_recover(&error) => {
                    tries += 1;
                    sleep(pause).await;
                    pause = longer(pause);
                }
                outcome => break outcome?,
            }
        };
        self.stage = match outcome {
            Outcome::Done(_) | Outcome::Replayed(_) => return Ok(()),
            Outcome::Fenced | Outcome::Unknown => Stage::Settled,
            _ => Stage::Held,
        };
        Err(refused(&outcome))
    }

    /// How much longer the units captured so far pay for the stream, at `each` per unit. What an earlier opening has
    /// used up of them is gone; a first opening has all of its first unit before it.
    pub(crate) fn paid_for(&self, each: Duration) -> Duration {
        if self.before == 0 {
            return each;
        }
        let units = u32::try_from(self.before).unwrap_or(u32::MAX);
        each.saturating_mul(units).saturating_sub(self.ran).saturating_sub(self.held_at.elapsed())
    }

    /// The 101 has left: from now on the stream is paid for.
    pub(crate) fn served(&mut self) {
        self.stage = Stage::Served;
    }

    /// The upstream ended at once: what this opening captured is to come back. False if there is nothing.
    pub(crate) fn unserved(&mut self) -> bool {
        let alone = self.before == 0 && self.captured == 1;
        if alone {
            self.stage = Stage::Captured;
        }
        alone
    }

    /// Takes one more unit for the live stream.
    pub(crate) async fn renew(&mut self, live_for: Duration) -> Result<(), Renewal> {
        let to = self.captured.saturating_add(1);
        let (session, stream, fence) = (self.session.clone(), self.stream.clone(), Some(self.fence));
        let lease = self.shared.config.lease_margin;
        let command = Command::Hold { session, stream, fence, to, lease };
        match hold_patiently(&self.shared, command).await.map_err(Renewal::Store)? {
            Outcome::Held { .. } => {}
            refusal => return Err(Renewal::Over(over(&refusal))),
        }
        match self.post(to, live_for).await.map_err(Renewal::Store)? {
            Outcome::Done(_) | Outcome::Replayed(_) => Ok(()),
            // The process stood still for longer than the lease; the next try holds again.
            Outcome::Lapsed => Err(Renewal::Store(Error::Unavailable("the hold lapsed".into()))),
            refusal => Err(Renewal::Over(over(&refusal))),
        }
    }

    /// Gives back what was not served, or tells the ledger that the stream has ended. What the store cannot be told
    /// now, a task goes on trying.
    pub(crate) async fn settle(mut self) {
        match settle(&self.shared, &self.session, &self.stream, self.fence, self.undo()).await {
            Ok(()) => self.stage = Stage::Settled,
            Err(error) => {
                let (session, stream) = (&self.session, &self.stream);
                tracing::warn!(%session, %stream, %error, "cannot settle a stream yet");
            }
        }
    }

    async fn post(&mut self, to: u64, live_for: Duration) -> Result<Outcome, Error> {
        let (session, stream, fence) = (self.session.clone(), self.stream.clone(), self.fence);
        let outcome = self.shared.store.apply(Command::Post { session, stream, fence, to, live_for }).await?;
        if let Outcome::Done(view) | Outcome::Replayed(view) = &outcome {
            self.captured = self.captured.max(to);
            self.revision = view.session.as_ref().map_or(self.revision, |row| row.revision);
        }
        Ok(outcome)
    }

    fn undo(&self) -> Undo {
        match self.stage {
            Stage::Held if self.before == 0 => Undo::Void,
            Stage::Captured if self.before == 0 => Undo::Reverse,
            // An earlier opening was served by this id; only the end is left to tell.
            Stage::Held | Stage::Captured | Stage::Served | Stage::Settled => Undo::End,
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if self.stage == Stage::Settled {
            return;
        }
        // Without a runtime the process is ending, and the ledger's own leases take over.
        let Ok(runtime) = Handle::try_current() else { return };
        let (session, stream, fence) = (self.session.clone(), self.stream.clone(), self.fence);
        let (shared, undo) = (Arc::clone(&self.shared), self.undo());
        let tasks = self.shared.tasks.clone();
        tasks.spawn_on(keep_settling(shared, session, stream, fence, undo), &runtime);
    }
}

/// How an opening is wound up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Undo {
    Void,
    Reverse,
    End,
}

async fn settle(
    shared: &Shared,
    session: &SessionId,
    stream: &StreamId,
    fence: u64,
    undo: Undo,
) -> Result<(), Error> {
    let (session, stream) = (session.clone(), stream.clone());
    let end = Command::End { session: session.clone(), stream: stream.clone(), fence };
    let command = match undo {
        Undo::Void => Command::Void { session, stream, fence },
        Undo::Reverse => Command::Reverse { session, stream, fence },
        Undo::End => return shared.store.apply(end).await.map(drop),
    };
    // A reversal conflicts when the capture never happened: then the hold is what has to go.
    if shared.store.apply(command).await? == Outcome::Conflict {
        let _ended = shared.store.apply(end).await?;
    }
    Ok(())
}

async fn keep_settling(shared: Arc<Shared>, session: SessionId, stream: StreamId, fence: u64, undo: Undo) {
    let give_up = Instant::now() + UNDO_WITHIN;
    let mut pause = FIRST_PAUSE;
    while let Err(error) = settle(&shared, &session, &stream, fence, undo).await {
        if Instant::now() >= give_up {
            telemetry::undo_failed();
            return tracing::error!(%session, %stream, fence, ?undo, %error, "a stream could not be settled");
        }
        sleep(pause).await;
        pause = longer(pause);
    }
}

/// Holds; while units are held elsewhere but may return, asks again for a while.
async fn hold_patiently(shared: &Shared, command: Command) -> Result<Outcome, Error> {
    let deadline = Instant::now() + shared.config.held_wait;
    let mut pause = FIRST_PAUSE;
    loop {
        let outcome = shared.store.apply(command.clone()).await?;
        let left = deadline.saturating_duration_since(Instant::now());
        if outcome != (Outcome::Exhausted { held_elsewhere: true }) || left.is_zero() {
            return Ok(outcome);
        }
        sleep(pause.min(left)).await;
        pause = longer(pause);
    }
}

fn longer(pause: Duration) -> Duration {
    pause.saturating_mul(2).min(LONGEST_PAUSE)
}

/// An open's refusal, from the ledger's.
fn refused(outcome: &Outcome) -> OpenError {
    match outcome {
        Outcome::Exhausted { held_elsewhere } => OpenError::Exhausted { held_elsewhere: *held_elsewhere },
        Outcome::Expired => OpenError::Expired,
        Outcome::Revoked => OpenError::Revoked,
        Outcome::Unknown => OpenError::Unknown,
        Outcome::Conflict | Outcome::Fenced => OpenError::Conflict,
        Outcome::Lapsed => OpenError::Lapsed,
        Outcome::Done(_) | Outcome::Replayed(_) | Outcome::Held { .. } | Outcome::Foreign => {
            tracing::error!(?outcome, "the ledger gave an answer that does not fit an open");
            OpenError::Internal
        }
    }
}

/// A live stream's end, from the ledger's refusal.
fn over(outcome: &Outcome) -> CloseCode {
    match outcome {
        Outcome::Exhausted { .. } => CloseCode::Exhausted,
        Outcome::Expired | Outcome::Revoked => CloseCode::Unauthorized,
        Outcome::Fenced => CloseCode::Replaced,
        Outcome::Unknown => CloseCode::SessionNotFound,
        _ => CloseCode::Internal,
    }
}
