//! A connection whose agent is known: what it is given, and what it says.
//!
//! It has a cursor: the number of the last message that it was given. Whatever lies behind the head was replayed, whatever comes
//! later is live, and both are read from the same place by the same step; so there is no seam between them.

mod sends;

use self::sends::Sends;
use super::beat::{Beat, Due};
use super::error::Failed;
use super::gatekeeper::Guest;
use super::hear::Frame;
use super::inner::Inner;
use super::record::{Step, unpack};
use super::room::{News, Room, Seat};
use super::say;
use super::work::Hello;
use crate::bridge::Waiting;
use crate::runtime::{Bucket, Budget, Outbox, Rate};
use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tollwire_asp::{Code, Envelope, Millis, SessionId, State};
use tollwire_x402::close::CloseCode;

/// Frames that are dealt with at once: as many as may wait while others of this thread do not.
const FRAMES_MAX: usize = 32;

/// Bytes that are read from the store at once.
const PAGE_BYTES: usize = 256 * 1024;

/// How long a connection to a session that has just ended stays: what is still sent is told so.
const LINGER: Duration = Duration::from_secs(5);

/// How long until a store that did not answer is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// Never, for a timer.
const FAR: Duration = Duration::from_secs(86_400);

/// A connection whose agent is known.
pub(super) struct Seated {
    inner: Arc<Inner>,
    session: SessionId,
    outbox: Arc<Outbox>,
    budget: Budget,
    guest: Arc<Guest>,
    proof: Arc<str>,
    seat: Arc<Seat>,
    room: Arc<Room>,
    news: watch::Receiver<News>,
    /// The last message that was given.
    cursor: u64,
    /// The head when its agent became known: what is older was replayed.
    head: u64,
    /// Messages of its own that were acked and not passed yet.
    own: BTreeSet<u64>,
    state: State,
    due: Option<Millis>,
    beat: Beat,
    /// Whether heartbeats are answered.
    answers: bool,
    sends: Bucket,
    /// Whether all that is known to be there was given.
    caught_up: bool,
    /// How often the store was looked into because somebody asked for it.
    looks: u64,
    again: Option<Instant>,
    closing: Option<Instant>,
}

impl Seated {
    /// Takes a seat in a session's room, and says how far the session has come.
    pub(super) async fn new(
        inner: &Arc<Inner>,
        session: &SessionId,
        (outbox, budget): (&Arc<Outbox>, &Budget),
        hello: Hello,
    ) -> Result<Self, Failed> {
        let Hello { guest, proof, last, answers } = hello;
        let (agent, client, now) = (guest.client.agent.clone(), guest.id.clone(), inner.now());
        // Once somebody takes part, the seat comes before the look at the head: nothing can come between.
        inner.session(session, &agent).await?;
        let seat = Arc::new(Seat { client, agent, outbox: Arc::clone(outbox) });
        let room = inner.rooms.join(session, &seat, inner.limits.connections_max);
        let room =
            room.ok_or_else(|| Failed::new(Code::RateLimited, "too many connections of this agent"))?;
        let news = room.news();
        let sends = Rate { count: inner.limits.sends_per_second, within: Duration::from_secs(1) };
        let mut seated = Self {
            inner: Arc::clone(inner),
            session: session.clone(),
            outbox: Arc::clone(outbox),
            budget: budget.clone(),
            guest: Arc::new(guest),
            proof: proof.into(),
            seat,
            room,
            news,
            cursor: last.unwrap_or_default(),
            head: 0,
            own: BTreeSet::new(),
            state: State::Idle,
            due: None,
            beat: Beat::new(inner.limits.heartbeat, inner.limits.pong_wait, Instant::now()),
            answers,
            sends: Bucket::new(sends, now),
            caught_up: false,
            looks: 0,
            again: None,
            closing: None,
        };
        seated.begin().await?;
        Ok(seated)
    }

    /// Whether the session is over, and there is nothing to be told of it.
    pub(super) fn has_seen_the_end(&self) -> bool {
        self.state.is_over() && self.cursor >= self.head
    }

    /// Says how far the session has come.
    async fn begin(&mut self) -> Result<(), Failed> {
        let (head, session) = self.inner.session(&self.session, &self.guest.client.agent).await?;
        if self.cursor > head.seq {
            let why = format!("the session's last message is {}", head.seq);
            return Err(Failed::new(Code::SequenceAhead, why));
        }
        self.room.with_participants(&session.participants);
        let machine = session.machine.at(self.inner.millis());
        (self.head, self.state, self.due) = (head.seq, machine.state(), machine.due());
        self.outbox.say(say::auth_ok(&self.session, self.state, &session.participants, head.seq));
        if self.cursor.saturating_add(1) < head.first {
            let why = "earlier messages are not kept any more";
            let failed = Failed { first: Some(head.first), ..Failed::new(Code::HistoryTruncated, why) };
            self.outbox.say(say::error(&failed, None));
            self.cursor = head.first.saturating_sub(1);
        }
        Ok(())
    }

    /// Serves until the connection ends.
    pub(super) async fn serve(&mut self, frames: &mut Waiting<Frame>) {
        let mut timer = pin!(sleep_until(self.timer()));
        loop {
            if self.caught_up && self.state.is_over() && self.closing.is_none() {
                // Who came after its end has had the history; who was there may still be told that it is over.
                let was_there = self.cursor > self.head || self.head == 0;
                self.closing = Some(Instant::now() + if was_there { LINGER } else { Duration::ZERO });
            }
            // A timer that goes off early does no harm, and one that is set anew for each message costs more than that.
            let next = self.timer();
            if next < timer.deadline() || timer.is_elapsed() {
                timer.as_mut().reset(next);
            }
            tokio::select! {
                () = &mut timer => {
                    if !self.on_time() {
                        return;
                    }
                }
                next = frames.next(FRAMES_MAX) => {
                    let count = next.len();
                    let goes_on = count > 0 && self.hear_all(next).await;
                    frames.done(count);
                    if !goes_on {
                        return;
                    }
                }
                changed = self.news.changed(), if self.caught_up => {
                    if changed.is_err() {
                        return;
                    }
                    self.look();
                }
                () = std::future::ready(()), if !self.caught_up && self.again.is_none() => {
                    if self.pass_on().await.is_none() {
                        return;
                    }
                }
            }
        }
    }

    /// When something is to be done by time alone.
    fn timer(&self) -> Instant {
        let now = Instant::now();
        let present = self.inner.millis();
        let ends = Millis(self.guest.exp.saturating_mul(1_000));
        let from_clock = |at: Millis| now + present.until(at).min(FAR);
        let due = self.due.filter(|_| self.caught_up).map(from_clock);
        let all = [Some(self.beat.at()), Some(from_clock(ends)), due, self.again, self.closing];
        all.into_iter().flatten().min().unwrap_or(now + FAR)
    }

    /// Does what time asks for; `false` at the end.
    fn on_time(&mut self) -> bool {
        let (now, present) = (Instant::now(), self.inner.millis());
        if self.closing.is_some_and(|closing| closing <= now) {
            self.outbox.end(None, CloseCode::SessionClosed);
            return false;
        }
        if self.guest.exp.saturating_mul(1_000) <= present.0 {
            let failed = Failed::new(Code::TokenExpired, "the access token has ended: get another");
            self.outbox.end(Some(say::error(&failed, None)), CloseCode::Unauthorized);
            return false;
        }
        if self.again.is_some_and(|again| again <= now) {
            self.again = None;
        }
        if let Some(due) = self.due.filter(|due| self.caught_up && *due <= present) {
            self.moves_to(self.state.lapsed(), due);
            self.due = None;
        }
        match self.beat.due(now) {
            Due::Nothing => {}
            Due::Send => {
                self.outbox.say(say::heartbeat(present, self.state));
                if !self.answers {
                    self.beat.pong();
                }
            }
            Due::Lost => {
                self.outbox.end(None, CloseCode::HeartbeatLost);
                return false;
            }
        }
        true
    }

    /// Deals with frames; `false` at the end. Sends that come one after the other are said together.
    async fn hear_all(&mut self, frames: Vec<Frame>) -> bool {
        let mut sends = Sends::default();
        for frame in frames {
            match frame {
                Frame::Send { id, envelope } => {
                    if !sends.takes(&envelope) {
                        self.say_all(std::mem::take(&mut sends)).await;
                    }
                    sends.add(id, envelope);
                }
                other => {
                    self.say_all(std::mem::take(&mut sends)).await;
                    if !self.hear(other).await {
                        return false;
                    }
                }
            }
        }
        self.say_all(sends).await;
        true
    }

    /// Deals with a frame that is no send; `false` at the end.
    async fn hear(&mut self, frame: Frame) -> bool {
        match frame {
            Frame::Pong => self.beat.pong(),
            Frame::Wrong { id, failed } => self.outbox.say(say::error(&failed, id.as_deref())),
            Frame::Auth { token, proof, .. } => {
                let renewed = Box::pin(self.inner.admit_socket(&self.session, &token, &proof)).await;
                let other = || Failed::new(Code::AuthFailed, "this connection is another agent's");
                match renewed
                    .and_then(|guest| if guest.id == self.guest.id { Ok(guest) } else { Err(other()) })
                {
                    Ok(guest) => (self.guest, self.proof) = (Arc::new(guest), proof.into()),
                    Err(failed) => {
                        let code = failed.close().unwrap_or(CloseCode::Internal);
                        self.outbox.end(Some(say::error(&failed, None)), code);
                        return false;
                    }
                }
            }
            Frame::Send { .. } => {}
        }
        true
    }

    /// Looks whether there are messages that were not given.
    fn look(&mut self) {
        let news = *self.news.borrow_and_update();
        self.caught_up = self.cursor >= news.newest.max(self.head) && self.looks == news.looks;
    }

    /// Gives the connection the next messages; `None` once it is gone.
    async fn pass_on(&mut self) -> Option<()> {
        let news = *self.news.borrow_and_update();
        let mut page = self.room.recent(self.cursor);
        if page.is_empty() {
            page = match self.inner.sessions.read(&self.session, self.cursor, PAGE_BYTES).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(%error, "messages cannot be read: they will be later");
                    self.again = Some(Instant::now() + AGAIN);
                    return Some(());
                }
            };
        }
        if page.is_empty() {
            (self.caught_up, self.looks) = (true, news.looks);
            return Some(());
        }
        for (sequence, bytes) in page {
            self.give(sequence, &bytes).await?;
        }
        self.caught_up = self.cursor >= news.newest.max(self.head) && self.looks == news.looks;
        Some(())
    }

    async fn give(&mut self, sequence: u64, bytes: &[u8]) -> Option<()> {
        if sequence != self.cursor.saturating_add(1) {
            // Older ones were forgotten while this connection was behind.
            let why = "messages between were not kept";
            let failed = Failed { first: Some(sequence), ..Failed::new(Code::HistoryTruncated, why) };
            self.outbox.say(say::error(&failed, None));
        }
        self.cursor = sequence;
        let Some((step, text)) = unpack(bytes) else {
            tracing::error!(sequence, "a message cannot be read");
            self.outbox.end(None, CloseCode::Internal);
            return None;
        };
        if !self.own.remove(&sequence) {
            let frame = say::message(text);
            let room = self.budget.room(Some(frame.len())).await.ok()?;
            self.outbox.answer(frame, room);
        }
        if sequence > self.head {
            self.steps(step, text);
        }
        Some(())
    }

    /// Tells where the session stands after a message.
    fn steps(&mut self, step: Step, text: &str) {
        if step.previous != self.state || step.state != self.state {
            let at = Envelope::read(text).map_or_else(|_| self.inner.millis(), |envelope| envelope.at);
            self.moves_to(step.previous, at);
            self.moves_to(step.state, at);
        }
        self.due = step.due;
    }

    fn moves_to(&mut self, state: State, at: Millis) {
        if state != self.state {
            self.outbox.say(say::session_state(state, self.state, at));
            self.state = state;
        }
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        self.inner.rooms.leave(&self.session, &self.seat);
    }
}
