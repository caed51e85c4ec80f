//! Extend: what a metered stream has used is captured, and units are set aside for what comes.

use super::stream::Desk;
use super::{UNITS_MAX, deadline};
use crate::Outcome;
use crate::command::EntryKind;
use crate::model::{Hold, Stream};
use std::time::Duration;

/// How long after a stream was short of units the others hold fewer ahead.
pub const RECALL_FRESH: Duration = Duration::from_secs(2);

/// How long a note that a stream was short stands before another one replaces it, so that a stream that asks again and
/// again is not a write each time.
const RECALL_AGAIN: Duration = Duration::from_secs(1);

/// How long the journal may wait for what a metered stream uses.
const TELL_EVERY: Duration = Duration::from_hours(1);

/// What a metered stream asks for; the numbers are cumulative units of the stream.
pub(super) struct Ask {
    pub(super) used: u64,
    pub(super) need: u64,
    pub(super) want: u64,
    pub(super) lease: Duration,
    pub(super) live_for: Duration,
}

/// How many units one stream may hold ahead beyond its need, of `available` ones (its own hold among them), when
/// `holders` streams hold some or are about to (itself among them).
///
/// Half of an equal part, so that whoever comes next finds some too. When somebody was short a moment ago it is reckoned
/// with one more holder, and nobody keeps the last unit for later.
pub fn share(available: u64, holders: u64, recalled: bool) -> u64 {
    let holders = if recalled { holders.saturating_add(1) } else { holders };
    let part = available.checked_div(holders.saturating_mul(2)).unwrap_or(available);
    if recalled { part } else { part.max(1) }
}

impl Desk<'_> {
    pub(super) fn extend(&mut self, fence: u64, ask: &Ask) -> Outcome {
        let stream = match self.current(fence) {
            // A word that was on its way when the stream ended must not make it live again.
            Ok(stream) if stream.reversed || stream.live_until.is_none() => return Outcome::Conflict,
            Ok(stream) => stream,
            Err(refusal) => return refusal,
        };
        if ask.used > ask.need || ask.need > ask.want || ask.want > UNITS_MAX {
            return Outcome::Conflict;
        }
        if ask.used < stream.posted {
            // It was overtaken by a later word, whose hold stands.
            return self.held(&stream);
        }
        let mut stream = self.served(stream, ask.used);
        self.session.holds.remove(self.id);
        self.session_changed = true;
        let outcome = self.grant(&mut stream, ask);
        if self.now.since(stream.told_at) >= TELL_EVERY {
            self.tell(&mut stream);
        }
        self.save(stream);
        outcome
    }

    /// Sets aside what the stream gets; it holds nothing when this begins.
    fn grant(&mut self, stream: &mut Stream, ask: &Ask) -> Outcome {
        if self.session.barred() {
            return Outcome::Revoked;
        }
        if self.session.closed {
            return Outcome::Closed;
        }
        if self.now >= self.session.balance_until {
            return Outcome::Expired;
        }
        let available = self.session.remaining();
        let need = ask.need.saturating_sub(stream.posted);
        if need > available {
            return self.short();
        }
        let others = u64::try_from(self.session.holds.len()).unwrap_or(u64::MAX);
        let share = share(available, others.saturating_add(1), self.is_recalled());
        let units = ask.want.saturating_sub(stream.posted).min(share).max(need).min(available);
        if units > 0 {
            let until = deadline(self.now, ask.lease);
            self.session.holds.insert(self.id.clone(), Hold { units, until });
        }
        stream.live_until = stream.live_until.max(Some(deadline(self.now, ask.live_for)));
        self.held(stream)
    }

    /// The answer to a stream that cannot have what it needs. What others hold is recalled.
    pub(super) fn short(&mut self) -> Outcome {
        let held_elsewhere = self.session.holds.keys().any(|other| other != self.id);
        let noted = self.session.recalled.is_some_and(|at| self.now.since(at) < RECALL_AGAIN);
        if held_elsewhere && !noted {
            self.session.recalled = Some(self.now);
            self.session_changed = true;
        }
        Outcome::Exhausted { held_elsewhere }
    }

    fn is_recalled(&self) -> bool {
        self.session.recalled.is_some_and(|at| self.now.since(at) < RECALL_FRESH)
    }

    /// Captures what the stream was served beyond what it was posted: from its hold, or from what remains; the rest is
    /// forgone.
    pub(super) fn served(&mut self, mut stream: Stream, used: u64) -> Stream {
        let more = used.min(UNITS_MAX).saturating_sub(stream.posted);
        if more == 0 {
            return stream;
        }
        let own = self.session.held_for(self.id);
        let left = own.saturating_sub(more);
        if left == 0 {
            self.session.holds.remove(self.id);
        } else if let Some(hold) = self.session.holds.get_mut(self.id) {
            hold.units = left;
        }
        let captured = own.min(more);
        self.session.captured = self.session.captured.saturating_add(captured);
        let late = more.saturating_sub(captured).min(self.session.remaining());
        self.session.captured = self.session.captured.saturating_add(late);
        let captured = captured.saturating_add(late);
        let forgone = more.saturating_sub(captured);
        if forgone > 0 {
            self.journal(EntryKind::Forgo, forgone);
        }
        self.session_changed = true;
        stream.posted = stream.posted.saturating_add(more);
        stream.posted_at = stream.posted_at.or(Some(self.now));
        stream.untold = stream.untold.saturating_add(captured);
        stream
    }

    /// Tells the journal what was captured since it was told last.
    pub(super) fn tell(&mut self, stream: &mut Stream) {
        if stream.untold > 0 {
            self.journal(EntryKind::Capture, stream.untold);
        }
        stream.untold = 0;
        stream.told_at = self.now;
    }
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn a_share_is_half_of_an_equal_part() {
        assert_eq!(share(100, 1, false), 50);
        assert_eq!(share(100, 5, false), 10);
        assert_eq!(share(1, 5, false), 1);
        assert_eq!(share(0, 0, false), 1);
    }

    #[test]
    fn a_recall_makes_room_for_one_more_and_frees_the_last_unit() {
        assert_eq!(share(100, 1, true), 25);
        assert_eq!(share(1, 1, true), 0);
    }
}
