//! What one opening of a stream costs: units held, then captured, given back if they were not served.

use crate::error::{over, refused};
use crate::keep::SecondsClock;
use crate::live::Resident;
use crate::meter::{Order, Shared};
use crate::signal::Signal;
use crate::store::may_recover;
use crate::{Refusal, Terms, telemetry};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};
use tollwire_ledger::model::Session;
use tollwire_ledger::{Command, Error, Outcome};
use tollwire_x402::close::CloseCode;
use tollwire_x402::{FeedId, SessionId, StreamId, Unit};

/// Tries to capture before an open is given up.
const CAPTURE_TRIES: u32 = 3;

/// First pause between tries; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// The longest pause between tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How long giving back is tried: the ledger's own window for a reversal. A mere hold lapses earlier by itself.
const UNDO_WITHIN: Duration = tollwire_ledger::core::REVERSE_WINDOW;

/// How long it is tried to tell a stream's end, and with it what it was served since the ledger was last told: longer
/// than most stores are away.
const TELL_WITHIN: Duration = Duration::from_hours(1);

/// One opening's account with the ledger. Dropped unsettled, it settles itself in a task of its own: whatever
/// becomes of a request, its unit is either served or given back.
pub struct Charge {
    pub(crate) shared: Arc<Shared>,
    session: SessionId,
    stream: StreamId,
    pub(crate) terms: Terms,
    fence: u64,
    /// Units captured by earlier openings of this stream.
    before: u64,
    /// For how long those had been running when this opening's hold was answered.
    ran: Duration,
    held_at: Instant,
    /// Until when what was held for the open may be used.
    held_until: Instant,
    /// Units captured in all.
    captured: u64,
    /// Units served in all, as far as the ledger was told or is to be told at the end.
    pub(crate) used: u64,
    /// Units that may be used, as the ledger last said.
    granted: u64,
    /// Of a stream sold by the second: what counts them.
    pub(crate) clock: Option<Arc<SecondsClock>>,
    pub(crate) signal: Arc<Signal>,
    /// The session as the hold for the open showed it.
    pub(crate) opening: Option<Box<Session>>,
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
    /// What it needs is not there, but others hold some of it.
    Elsewhere,
    /// The ledger could not answer.
    Store(Error),
}

impl Charge {
    /// Holds what the stream needs to open, waiting a little for units that are held elsewhere.
    pub(crate) async fn hold(shared: &Arc<Shared>, order: &Order) -> Result<Self, Refusal> {
        let Order { session, stream, terms, streams_max, opens_within } = order.clone();
        let lease = opens_within.saturating_add(shared.config.lease_margin);
        let command = Command::Hold {
            session: session.clone(),
            stream: stream.clone(),
            fence: None,
            to: 1,
            lease,
            streams_max,
        };
        let (asked, outcome) = hold_patiently(shared, command).await?;
        match outcome {
            Outcome::Held { fence, posted, since_capture, session: row } => Ok(Self {
                shared: Arc::clone(shared),
                session,
                stream,
                terms,
                fence,
                before: posted,
                ran: since_capture,
                held_at: Instant::now(),
                held_until: asked + opens_within,
                captured: posted,
                used: posted,
                granted: posted.max(1),
                clock: None,
                signal: Arc::default(),
                stage: Stage::Held,
                revision: row.revision,
                opening: Some(row),
            }),
            refusal => Err(refused(&refusal)),
        }
    }

    /// Enters the stream among those that live here; it leaves when the [`Resident`] is dropped.
    pub fn enter(&self, feed: FeedId) -> Resident {
        Resident::enter(self, feed)
    }

    /// Whose balance.
    pub fn session(&self) -> &SessionId {
        &self.session
    }

    /// Which stream.
    pub fn stream(&self) -> &StreamId {
        &self.stream
    }

    /// Which opening of it.
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// What it is sold by.
    pub fn terms(&self) -> Terms {
        self.terms
    }

    /// Units used by earlier openings of this stream: this one's gauge counts on from there.
    pub fn before(&self) -> u64 {
        self.before
    }

    /// Units posted or held when the stream was opened, and until when it may use them before it has said another word.
    pub(crate) fn opened_with(&self) -> (u64, Instant) {
        (self.before.max(1), self.held_until)
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// Captures what the stream costs to open, and has the ledger take it for live: a first unit of `stream` and `second`,
    /// nothing yet of `message` and `kib`.
    pub async fn capture(&mut self) -> Result<(), Refusal> {
        // From here on the unit may be captured, whatever we hear of it.
        self.stage = Stage::Captured;
        let to = if self.pays_ahead() { self.before.max(1) } else { self.before };
        let mut pause = FIRST_PAUSE;
        let mut tries = 1;
        let outcome = loop {
            match self.post(to, self.terms.live_for()).await {
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

    /// Whether a unit is paid before it is served.
    fn pays_ahead(&self) -> bool {
        matches!(self.terms.unit, Unit::Stream | Unit::Second)
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

    /// The stream stands: from now on it is paid for.
    pub fn served(&mut self) {
        self.stage = Stage::Served;
    }

    /// It ended at once and served nothing: what this opening captured is to come back. False if there is nothing.
    pub fn unserved(&mut self) -> bool {
        let alone = self.pays_ahead() && self.before == 0 && self.captured == 1;
        if alone {
            self.stage = Stage::Captured;
        }
        alone
    }

    /// Takes one more unit for the live stream.
    pub(crate) async fn renew(&mut self) -> Result<Option<Box<Session>>, Renewal> {
        let to = self.captured.saturating_add(1);
        let (session, stream, fence) = (self.session.clone(), self.stream.clone(), Some(self.fence));
        let lease = self.shared.config.lease_margin;
        // A stream that is open already is no further one.
        let command = Command::Hold { session, stream, fence, to, lease, streams_max: u32::MAX };
        let (_, outcome) = hold_patiently(&self.shared, command).await.map_err(Renewal::Store)?;
        match outcome {
            Outcome::Held { .. } => {}
            refusal => return Err(Renewal::Over(over(&refusal))),
        }
        match self.post(to, self.terms.live_for()).await.map_err(Renewal::Store)? {
            Outcome::Done(view) | Outcome::Replayed(view) => Ok(view.session),
            // The process stood still for longer than the lease; the next try holds again.
            Outcome::Lapsed => Err(Renewal::Store(Error::Unavailable("the hold lapsed".into()))),
            refusal => Err(Renewal::Over(over(&refusal))),
        }
    }

    /// Tells the ledger what was used and asks for more; the session as it stands then.
    pub(crate) async fn extend(&mut self, used: u64, need: u64, want: u64) -> Result<Box<Session>, Renewal> {
        let config = &self.shared.config;
        let command = Command::Extend {
            session: self.session.clone(),
            stream: self.stream.clone(),
            fence: self.fence,
            used,
            need,
            want,
            lease: config.lease.saturating_add(config.lease_margin),
            live_for: self.terms.live_for(),
        };
        // Whatever becomes of the answer, this much was served.
        self.used = self.used.max(used);
        match self.shared.store.apply(command).await.map_err(Renewal::Store)? {
            Outcome::Held { posted, session, .. } => {
                self.captured = self.captured.max(posted);
                self.revision = session.revision;
                self.granted = posted.saturating_add(session.held_for(&self.stream));
                Ok(session)
            }
            Outcome::Exhausted { held_elsewhere: true } => Err(Renewal::Elsewhere),
            refusal => Err(Renewal::Over(over(&refusal))),
        }
    }

    /// Tells the ledger what was used and holds nothing more; the session as it stands then, if it could be told.
    pub async fn tell(&mut self, used: u64) -> Option<Box<Session>> {
        let used = used.max(self.captured);
        self.extend(used, used, used).await.ok()
    }

    /// Notes what was used in all, for [`settle`](Self::settle) to tell.
    pub fn note_used(&mut self, used: u64) {
        self.used = self.used.max(used);
    }

    /// Notes when the stream ended, for [`settle`](Self::settle) to tell the seconds that had begun by then. Of streams that
    /// are not sold by the second, nothing follows from it.
    pub fn note_ended(&mut self, at: Instant) {
        if let Some(clock) = &self.clock {
            let used = clock.used(at).min(self.granted);
            self.note_used(used);
        }
    }

    /// Gives back what was not served, or tells the ledger that the stream has ended. What the store cannot be told
    /// now, a task goes on trying.
    pub async fn settle(mut self) {
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
            Stage::Captured if self.before == 0 && self.pays_ahead() => Undo::Reverse,
            // An earlier opening was served by this id; only the end is left to tell.
            Stage::Held | Stage::Captured | Stage::Served | Stage::Settled => Undo::End { used: self.used },
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
    End { used: u64 },
}

async fn settle(
    shared: &Shared,
    session: &SessionId,
    stream: &StreamId,
    fence: u64,
    undo: Undo,
) -> Result<(), Error> {
    // Many streams may end at once, and nobody waits for it: in turn with the renewals.
    let _slot = shared.pacer.slot().await;
    let (session, stream) = (session.clone(), stream.clone());
    let end = |used| Command::End { session: session.clone(), stream: stream.clone(), fence, used };
    let command = match undo {
        Undo::Void => Command::Void { session: session.clone(), stream: stream.clone(), fence },
        Undo::Reverse => Command::Reverse { session: session.clone(), stream: stream.clone(), fence },
        Undo::End { used } => return shared.store.apply(end(used)).await.map(drop),
    };
    // A reversal conflicts when the capture never happened: then the hold is what has to go.
    if shared.store.apply(command).await? == Outcome::Conflict {
        let _ended = shared.store.apply(end(0)).await?;
    }
    Ok(())
}

async fn keep_settling(shared: Arc<Shared>, session: SessionId, stream: StreamId, fence: u64, undo: Undo) {
    let within = if matches!(undo, Undo::End { .. }) { TELL_WITHIN } else { UNDO_WITHIN };
    let give_up = Instant::now() + within;
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

/// Holds; while units are held elsewhere but may return, asks again for a while. Tells when it asked last.
async fn hold_patiently(shared: &Shared, command: Command) -> Result<(Instant, Outcome), Error> {
    let deadline = Instant::now() + shared.config.held_wait;
    let mut pause = FIRST_PAUSE;
    loop {
        let asked = Instant::now();
        let outcome = shared.store.apply(command.clone()).await?;
        let left = deadline.saturating_duration_since(Instant::now());
        if outcome != (Outcome::Exhausted { held_elsewhere: true }) || left.is_zero() {
            return Ok((asked, outcome));
        }
        if let (Some(stream), session) = (command.stream(), command.session()) {
            shared.registry.recall_now(session, stream);
        }
        sleep(pause.min(left)).await;
        pause = longer(pause);
    }
}

fn longer(pause: Duration) -> Duration {
    pause.saturating_mul(2).min(LONGEST_PAUSE)
}
