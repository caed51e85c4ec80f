//! Hold, Post, Void, Reverse, End: the units of one stream.

use super::{Applied, REOPEN_WINDOW, REVERSE_WINDOW, Slot, deadline, lapse, view_of};
use crate::command::{Entry, EntryKind};
use crate::model::{Hold, Session, Stream};
use crate::{Outcome, Timestamp};
use std::time::Duration;
use tollwire_x402::{StreamId, Unit};

/// One stream's rows while a command works on them.
pub(super) struct Desk<'a> {
    pub(super) id: &'a StreamId,
    pub(super) now: Timestamp,
    pub(super) session: Session,
    pub(super) session_changed: bool,
    /// How many streams are open; only of a command that counts them.
    live: u32,
    stream: Option<Stream>,
    stream_changed: bool,
    entries: Vec<Entry>,
}

/// Runs a stream command. Holds that are over return first, whatever the answer will be.
pub(super) fn run(
    slot: Slot,
    id: &StreamId,
    now: Timestamp,
    command: impl FnOnce(&mut Desk<'_>) -> Outcome,
) -> Applied {
    let Some(mut session) = slot.session else { return Applied::unchanged(Outcome::Unknown) };
    let session_changed = lapse(&mut session, now);
    let (stream, entries) = (slot.stream, Vec::new());
    let live = slot.live;
    let mut desk = Desk { id, now, session, session_changed, live, stream, stream_changed: false, entries };
    let outcome = command(&mut desk);
    let changed = Slot {
        session: desk.session_changed.then_some(desk.session),
        stream: desk.stream.filter(|_| desk.stream_changed),
        ..Slot::default()
    };
    Applied { outcome, changed, entries: desk.entries }
}

impl Desk<'_> {
    pub(super) fn hold(&mut self, fence: Option<u64>, to: u64, lease: Duration, streams_max: u32) -> Outcome {
        if self.session.barred() {
            return Outcome::Revoked;
        }
        if self.session.closed {
            return Outcome::Closed;
        }
        if self.now >= self.session.balance_until {
            return Outcome::Expired;
        }
        let (mut stream, replaces) = match self.opening(fence) {
            Ok(opening) if to > 0 => opening,
            Ok(_) => return Outcome::Conflict,
            Err(refusal) => return refusal,
        };
        if fence.is_none() && !replaces && self.live >= streams_max {
            return Outcome::TooMany;
        }
        let mut old = self.session.holds.get(self.id).copied();
        let mut held = old.map_or(0, |hold| hold.units);
        let more = to.saturating_sub(stream.posted).saturating_sub(held);
        if more > self.session.remaining() {
            return self.short();
        }
        if replaces && held > 0 && self.session.unit != Unit::Stream {
            // What the earlier opening used of its lease it cannot tell any more: all of it counts as used.
            let all = stream.posted.saturating_add(held);
            stream = self.served(stream, all);
            (old, held) = (None, 0);
        }
        let until = deadline(self.now, lease);
        let units = held.saturating_add(more);
        if units > 0 {
            let until = until.max(old.map_or(Timestamp::default(), |hold| hold.until));
            self.session.holds.insert(self.id.clone(), Hold { units, until });
        }
        // A stream being opened counts as open.
        stream.live_until = stream.live_until.max(Some(until));
        if replaces {
            self.session.revision = self.session.revision.saturating_add(1);
        }
        self.session_changed = true;
        let outcome = self.held(&stream);
        self.save(stream);
        outcome
    }

    pub(super) fn held(&self, stream: &Stream) -> Outcome {
        Outcome::Held {
            fence: stream.fence,
            posted: stream.posted,
            since_capture: stream.posted_at.map_or(Duration::ZERO, |at| self.now.since(at)),
            session: Box::new(self.session.clone()),
        }
    }

    /// The stream as this hold finds or makes it, and whether it takes the place of an opening that may still be
    /// served.
    fn opening(&self, fence: Option<u64>) -> Result<(Stream, bool), Outcome> {
        let fresh = |fence| Stream {
            posted: 0,
            fence,
            first_held: self.now,
            posted_at: None,
            untold: 0,
            told_at: self.now,
            reopened: false,
            reversed: false,
            live_until: None,
        };
        match (self.stream.clone(), fence) {
            (None, None) => Ok((fresh(1), false)),
            (None, Some(_)) => Err(Outcome::Unknown),
            (Some(stream), Some(fence)) if stream.fence != fence => Err(Outcome::Fenced),
            (Some(stream), Some(_)) if stream.reversed => Err(Outcome::Conflict),
            (Some(stream), Some(_)) => Ok((stream, false)),
            (Some(stream), None) => {
                let fence = stream.fence.saturating_add(1);
                if stream.posted == 0 && !self.session.holds.contains_key(self.id) {
                    // Voided, lapsed or reversed: it costs nothing so far, so it may begin again.
                    Ok((fresh(fence), false))
                } else if self.now.since(stream.first_held) <= REOPEN_WINDOW {
                    // What its earlier connection was served stays paid: no reversal from here on.
                    Ok((Stream { fence, reopened: stream.posted > 0, ..stream }, true))
                } else {
                    Err(Outcome::Conflict)
                }
            }
        }
    }

    pub(super) fn post(&mut self, fence: u64, to: u64, live_for: Duration) -> Outcome {
        if self.session.barred() {
            return Outcome::Revoked;
        }
        if self.session.closed {
            return Outcome::Closed;
        }
        let mut stream = match self.current(fence) {
            Ok(stream) => stream,
            Err(refusal) => return refusal,
        };
        if stream.live_until.is_none() {
            // It has ended: a word that was on its way must not make it live again.
            return Outcome::Lapsed;
        }
        let units = to.saturating_sub(stream.posted);
        stream.live_until = stream.live_until.max(Some(deadline(self.now, live_for)));
        if units == 0 {
            // A re-opened stream, captured before: it is live again.
            self.save(stream);
            return Outcome::Replayed(view_of(&self.session));
        }
        let Some(hold) = self.session.holds.get_mut(self.id).filter(|hold| hold.units >= units) else {
            return Outcome::Lapsed;
        };
        hold.units = hold.units.saturating_sub(units);
        if hold.units == 0 {
            self.session.holds.remove(self.id);
        }
        self.session.captured = self.session.captured.saturating_add(units);
        stream.posted = to;
        stream.posted_at = stream.posted_at.or(Some(self.now));
        self.save(stream);
        self.journal(EntryKind::Capture, units);
        self.done()
    }

    pub(super) fn void(&mut self, fence: u64) -> Outcome {
        match self.current(fence) {
            Err(refusal) => refusal,
            Ok(mut stream) if self.session.holds.remove(self.id).is_some() => {
                if stream.posted == 0 {
                    stream.live_until = None;
                    self.save(stream);
                }
                self.done()
            }
            Ok(_) => Outcome::Replayed(view_of(&self.session)),
        }
    }

    pub(super) fn reverse(&mut self, fence: u64) -> Outcome {
        let mut stream = match self.current(fence) {
            Ok(stream) => stream,
            Err(refusal) => return refusal,
        };
        if stream.reversed {
            return Outcome::Replayed(view_of(&self.session));
        }
        let in_time = stream.posted_at.is_some_and(|at| self.now.since(at) <= REVERSE_WINDOW);
        let left = self.session.captured.saturating_sub(1).saturating_add(self.session.expired);
        let whole = stream.posted == 1 && !stream.reopened;
        // A unit that was forgone was captured from nobody.
        if !whole || !in_time || self.session.captured == 0 || left < self.session.handed.units {
            return Outcome::Conflict;
        }
        self.session.captured = self.session.captured.saturating_sub(stream.posted);
        self.session.holds.remove(self.id);
        stream.posted = 0;
        stream.untold = 0;
        stream.reversed = true;
        stream.live_until = None;
        self.save(stream);
        self.journal(EntryKind::Reverse, 1);
        self.done()
    }

    pub(super) fn end(&mut self, fence: u64, used: u64) -> Outcome {
        let stream = match self.current(fence) {
            Ok(stream) => stream,
            Err(refusal) => return refusal,
        };
        let live = stream.live_until.is_some_and(|until| until > self.now);
        let posted = stream.posted;
        // What was reversed was given back, whatever is said of it now.
        let mut stream = if stream.reversed { stream } else { self.served(stream, used) };
        let held = self.session.holds.remove(self.id).is_some();
        if !(live || held || stream.posted > posted || stream.untold > 0) {
            return Outcome::Replayed(view_of(&self.session));
        }
        self.tell(&mut stream);
        stream.live_until = None;
        self.save(stream);
        self.session_changed |= held;
        Outcome::Done(view_of(&self.session))
    }

    /// The stream, if `fence` is its valid opening.
    pub(super) fn current(&self, fence: u64) -> Result<Stream, Outcome> {
        let stream = self.stream.clone().ok_or(Outcome::Unknown)?;
        if stream.fence == fence { Ok(stream) } else { Err(Outcome::Fenced) }
    }

    pub(super) fn save(&mut self, stream: Stream) {
        self.stream = Some(stream);
        self.stream_changed = true;
    }

    pub(super) fn journal(&mut self, kind: EntryKind, units: u64) {
        let stream = Some(self.id.clone());
        self.entries.push(Entry { at: self.now, kind, units, stream, payment: None });
    }

    fn done(&mut self) -> Outcome {
        self.session_changed = true;
        Outcome::Done(view_of(&self.session))
    }
}
