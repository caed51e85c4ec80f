//! What one agent has been given and has not answered: pure, the time is passed in.
//!
//! ```text
//!   hand ──▶ given ──heard──▶ begun ──finish──▶ (gone)
//!              │ first_token    │ next_token       ▲
//!              └────────────────┴──── overdue ─────┘
//! ```
//!
//! An event leaves the desk once. Whoever asks about it later is told that it is not there, which is why no event can have
//! two endings and none can be answered by an agent that it was not given to.

use super::id::EventId;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;
use tollwire_ledger::Timestamp;

/// How far the log has a given event: the entry's mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mark {
    /// Not sent yet.
    Waiting,
    /// Sent; sent again if the agent goes away before it says anything.
    Given,
    /// The agent has it.
    Begun,
}

impl Mark {
    /// As the log keeps it.
    pub(crate) const fn as_number(self) -> u64 {
        match self {
            Self::Waiting => 0,
            Self::Given => 1,
            Self::Begun => 2,
        }
    }

    /// From what the log kept.
    pub(crate) const fn from_number(mark: u64) -> Self {
        match mark {
            0 => Self::Waiting,
            1 => Self::Given,
            _ => Self::Begun,
        }
    }
}

/// How long an agent may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits {
    /// To the first token.
    pub(crate) first: Duration,
    /// Between two.
    pub(crate) next: Duration,
}

impl Waits {
    /// How much later than the desk the log may notice that an agent is late: it is the second line, for when the desk
    /// is gone, and need not be told of every token.
    fn slack(&self) -> Duration {
        self.next / 4
    }
}

/// An event on the desk.
#[derive(Debug)]
pub(crate) struct Open<T> {
    /// Its number in the agent's stream.
    pub(crate) seq: u64,
    /// When it was given.
    pub(crate) given: Timestamp,
    /// What else is known of it.
    pub(crate) event: T,
    begun: bool,
    deadline: Timestamp,
    /// Until when the log keeps it.
    kept_until: Timestamp,
}

/// What to do with an event that the log has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handed {
    /// Send it.
    Send {
        /// Whether it may have been sent before.
        again: bool,
    },
    /// The agent has it already.
    Keep,
}

/// What the log should note about an event: that the agent has it, and until when to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keep {
    pub(crate) seq: u64,
    pub(crate) until: Timestamp,
}

/// One agent's desk.
#[derive(Debug)]
pub(crate) struct Desk<T> {
    waits: Waits,
    open: HashMap<EventId, Open<T>>,
    deadlines: BTreeSet<(Timestamp, EventId)>,
}

impl<T> Desk<T> {
    /// An empty one.
    pub(crate) fn new(waits: Waits) -> Self {
        Self { waits, open: HashMap::new(), deadlines: BTreeSet::new() }
    }

    /// Puts an event from the log on the desk. `until` is when the log lets go of it.
    pub(crate) fn hand(
        &mut self,
        id: &EventId,
        (seq, mark, until): (u64, Mark, Timestamp),
        event: T,
        now: Timestamp,
    ) -> Handed {
        if self.open.contains_key(id) {
            return Handed::Keep;
        }
        let begun = mark == Mark::Begun;
        let deadline = if begun { until } else { now.after(self.waits.first) };
        self.deadlines.insert((deadline, id.clone()));
        self.open.insert(id.clone(), Open { seq, given: now, event, begun, deadline, kept_until: until });
        self.check();
        if begun { Handed::Keep } else { Handed::Send { again: mark != Mark::Waiting } }
    }

    /// The agent said something of an event that is not its end. What is known of it, and what to note if it is time to;
    /// `None` if the event is not on the desk.
    pub(crate) fn heard(&mut self, id: &EventId, token: bool, now: Timestamp) -> Option<(&T, Option<Keep>)> {
        let slack = self.waits.slack();
        let open = self.open.get_mut(id)?;
        if token {
            self.deadlines.remove(&(open.deadline, id.clone()));
            open.deadline = now.after(self.waits.next);
            self.deadlines.insert((open.deadline, id.clone()));
        }
        let late = open.deadline.after(slack);
        // The log is told at once that the agent has it, and then only before it would let go.
        let tell = !open.begun || open.kept_until < open.deadline;
        if tell {
            (open.begun, open.kept_until) = (true, late);
        }
        let keep = tell.then_some(Keep { seq: open.seq, until: late });
        let event = &self.open.get(id)?.event;
        Some((event, keep))
    }

    /// What is known of an event that is on the desk.
    pub(crate) fn get(&self, id: &EventId) -> Option<&Open<T>> {
        self.open.get(id)
    }

    /// Takes an event off the desk.
    pub(crate) fn finish(&mut self, id: &EventId) -> Option<Open<T>> {
        let open = self.open.remove(id)?;
        self.deadlines.remove(&(open.deadline, id.clone()));
        self.check();
        Some(open)
    }

    /// Takes an event off that its agent is too late with, if there is one.
    pub(crate) fn overdue(&mut self, now: Timestamp) -> Option<(EventId, Open<T>)> {
        let (deadline, id) = self.deadlines.first()?;
        if *deadline > now {
            return None;
        }
        let id = id.clone();
        let open = self.finish(&id)?;
        Some((id, open))
    }

    /// When the next event is overdue.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    fn check(&self) {
        debug_assert_eq!(self.open.len(), self.deadlines.len(), "each event has one deadline");
    }
}

#[cfg(test)]
mod tests;
