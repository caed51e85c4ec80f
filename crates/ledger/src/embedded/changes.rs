//! What changed of payments, sessions, their streams and their journals: typed rows, over what is below them.

use crate::Timestamp;
use crate::command::Entry;
use crate::model::{Payment, Session, Stream};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::collections::btree_map;
use std::ops::Bound;
use tollwire_x402::{PaymentId, SessionId, StreamId};

/// Rows laid over other rows: these are the ones that count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Changes {
    sheets: BTreeMap<SessionId, Sheet>,
    /// Payments that changed.
    payments: BTreeMap<PaymentId, Box<Payment>>,
}

/// One session's rows. No row is ever removed but marks of live streams.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sheet {
    /// The session, if it changed.
    pub(super) session: Option<Box<Session>>,
    /// Streams that changed.
    pub(super) streams: BTreeMap<StreamId, Stream>,
    /// (until when, stream) of streams that became live or no longer are.
    pub(super) live: BTreeMap<(u64, StreamId), Mark>,
    /// Lines of the journal by their numbers.
    pub(super) lines: BTreeMap<u64, Entry>,
}

/// What became of the mark of a live stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Mark {
    /// It is here, and not below.
    Added,
    /// It is below, and counts no more.
    Removed,
}

impl Changes {
    pub(super) fn is_empty(&self) -> bool {
        self.sheets.is_empty() && self.payments.is_empty()
    }

    pub(super) fn of(&self, session: &SessionId) -> Option<&Sheet> {
        self.sheets.get(session)
    }

    pub(super) fn sheet(&mut self, session: &SessionId) -> &mut Sheet {
        self.sheets.entry(session.clone()).or_default()
    }

    pub(super) fn payment(&self, id: &PaymentId) -> Option<&Payment> {
        self.payments.get(id).map(Box::as_ref)
    }

    pub(super) fn pay(&mut self, id: &PaymentId, row: Box<Payment>) {
        self.payments.insert(id.clone(), row);
    }

    /// Payments in the order of their identities, those after `after`.
    pub(super) fn payments_after(
        &self,
        after: Option<&PaymentId>,
    ) -> impl Iterator<Item = (&PaymentId, &Payment)> {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.payments.range((after, Bound::Unbounded)).map(|(id, row)| (id, &**row))
    }

    pub(super) fn payments(&self) -> impl Iterator<Item = (&PaymentId, &Payment)> {
        self.payments_after(None)
    }

    pub(super) fn iter(&self) -> btree_map::Iter<'_, SessionId, Sheet> {
        self.sheets.iter()
    }

    /// Lays later changes over these.
    pub(super) fn merge(&mut self, later: Self) {
        self.payments.extend(later.payments);
        for (session, sheet) in later.sheets {
            match self.sheets.entry(session) {
                btree_map::Entry::Vacant(free) => {
                    free.insert(sheet);
                }
                btree_map::Entry::Occupied(mut ours) => ours.get_mut().merge(sheet),
            }
        }
    }
}

impl From<BTreeMap<SessionId, Sheet>> for Changes {
    fn from(sheets: BTreeMap<SessionId, Sheet>) -> Self {
        Self { sheets, payments: BTreeMap::new() }
    }
}

impl Sheet {
    /// Notes that a stream's mark is there, or no longer.
    pub(super) fn mark(&mut self, until: u64, stream: &StreamId, mark: Mark) {
        note(&mut self.live, (until, stream.clone()), mark);
    }

    /// How many streams more, or fewer, are live after `now` than below.
    pub(super) fn live_after(&self, now: u64) -> i64 {
        let later = self.live.iter().rev().take_while(|((until, _), _)| *until > now);
        later.fold(0, |sum, (_, mark)| match mark {
            Mark::Added => sum.saturating_add(1),
            Mark::Removed => sum.saturating_sub(1),
        })
    }

    /// Lays these marks over what is `live` below, for whoever reads at `now`.
    pub(super) fn show(&self, live: &mut BTreeMap<StreamId, Timestamp>, now: Timestamp) {
        // A stream whose time grew has two: the old one goes first.
        for ((_, stream), _) in self.live.iter().filter(|(_, mark)| **mark == Mark::Removed) {
            live.remove(stream);
        }
        let added = self.live.iter().filter(|(_, mark)| **mark == Mark::Added);
        for ((until, stream), _) in added.filter(|((until, _), _)| *until >= now.millis()) {
            live.insert(stream.clone(), Timestamp::from_millis(*until));
        }
    }

    fn merge(&mut self, later: Self) {
        if later.session.is_some() {
            self.session = later.session;
        }
        self.streams.extend(later.streams);
        self.lines.extend(later.lines);
        for (key, mark) in later.live {
            note(&mut self.live, key, mark);
        }
    }
}

/// A mark that came and went leaves nothing: what is below never knew, or knows again.
fn note(live: &mut BTreeMap<(u64, StreamId), Mark>, key: (u64, StreamId), mark: Mark) {
    match live.entry(key) {
        btree_map::Entry::Vacant(free) => {
            free.insert(mark);
        }
        btree_map::Entry::Occupied(old) if *old.get() != mark => {
            old.remove();
        }
        btree_map::Entry::Occupied(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> (SessionId, SessionId, StreamId) {
        let [one, two, three] =
            ["1", "2", "3"].map(|digit| format!("7d444840-9dc0-4acd-b245-5ffdce74fad{digit}"));
        (one.parse().unwrap(), two.parse().unwrap(), three.parse().unwrap())
    }

    #[test]
    fn later_rows_win_and_lines_add_up() {
        let (id, other, stream) = ids();
        let (mut early, mut late) = (Changes::default(), Changes::default());
        early.sheet(&id).streams.insert(stream.clone(), Stream { posted: 1, ..Stream::default() });
        late.sheet(&id).streams.insert(stream.clone(), Stream { posted: 2, ..Stream::default() });
        late.sheet(&other).streams.insert(stream.clone(), Stream::default());
        early.merge(late);
        assert_eq!(early.of(&id).unwrap().streams[&stream].posted, 2);
        assert_eq!(early.iter().count(), 2);
    }

    #[test]
    fn marks_that_came_and_went_leave_nothing() {
        let (_, _, stream) = ids();
        for (first, then) in [(Mark::Added, Mark::Removed), (Mark::Removed, Mark::Added)] {
            let (mut early, mut late) = (Sheet::default(), Sheet::default());
            early.mark(9, &stream, first);
            assert_eq!(early.live_after(8).abs(), 1);
            assert_eq!(early.live_after(9), 0, "over at that moment");
            late.mark(9, &stream, then);
            early.merge(late);
            assert_eq!(early, Sheet::default());
        }
    }
}
