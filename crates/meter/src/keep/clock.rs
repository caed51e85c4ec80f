//! The clock of a stream sold by the second. It stands while nothing may move.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Counts a second when it begins, of those in which bytes may move.
#[derive(Debug)]
pub(crate) struct SecondsClock {
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    /// Units used up at `from`.
    base: u64,
    /// When the next unit begins; later by every pause.
    from: Instant,
    /// Units granted.
    to: u64,
    /// Until when bytes may move; the clock stands from then on.
    until: Instant,
}

impl SecondsClock {
    /// `base` units are used up at `from`; bytes may move until then.
    pub(super) fn new(base: u64, from: Instant) -> Self {
        Self { state: Mutex::new(State { base, from, to: base, until: from }) }
    }

    /// Units used at `at`.
    pub(crate) fn used(&self, at: Instant) -> u64 {
        self.state().used(at)
    }

    /// Units that may be used.
    pub(super) fn to(&self) -> u64 {
        self.state().to
    }

    /// When the last unit granted ends, if there is no pause before.
    pub(super) fn ends(&self) -> Instant {
        let state = self.state();
        state.begins(state.to)
    }

    /// Until when bytes may move.
    pub(super) fn until(&self) -> Instant {
        self.state().until
    }

    /// The present as the clock shows it.
    pub(super) fn shows(&self, now: Instant) -> Instant {
        now.min(self.until())
    }

    /// Grants units up to `to` until `until`, and tells until when bytes may move. If they could not, the clock goes on
    /// where it stood.
    pub(super) fn grant(&self, to: u64, until: Instant, now: Instant) -> Instant {
        let mut state = self.state();
        let used = state.used(now);
        let stood = now.saturating_duration_since(state.until);
        state.from += stood;
        state.to = to.max(used);
        // A second that began within a lease is served to its end; after a lease nothing is, until the ledger was asked.
        let until = if until > now { until.max(state.begins(used)) } else { until };
        let until = until.min(state.begins(state.to));
        state.until = until.max(now);
        until
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn used(&self, at: Instant) -> u64 {
        self.base.saturating_add(begun(self.from, at.min(self.until))).min(self.to)
    }

    /// When the unit after the `units`th begins.
    fn begins(&self, units: u64) -> Instant {
        let seconds = Duration::from_secs(units.saturating_sub(self.base));
        self.from.checked_add(seconds).unwrap_or(self.from)
    }
}

/// Seconds that have begun at `at`, of those that begin at `from`.
fn begun(from: Instant, at: Instant) -> u64 {
    at.checked_duration_since(from).map_or(0, |since| since.as_secs().saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_second_counts_when_it_begins_and_no_more_than_granted() {
        let start = Instant::now();
        let clock = SecondsClock::new(1, start + millis(1_000));
        assert_eq!(clock.grant(3, start + millis(10_000), start), start + millis(3_000));
        let used = [0, 999, 1_000, 1_999, 2_000, 9_000].map(|at| clock.used(start + millis(at)));
        assert_eq!(used, [1, 1, 2, 2, 3, 3]);
    }

    #[test]
    fn it_stands_while_nothing_may_move() {
        let start = Instant::now();
        let clock = SecondsClock::new(1, start + millis(1_000));
        clock.grant(20, start + millis(4_500), start);
        assert_eq!(clock.used(start + millis(60_000)), 5, "the fifth had begun");
        // Asking does not set it going again.
        let late = start + millis(60_000);
        assert!(clock.grant(20, start + millis(4_500), late) < late);
        assert_eq!(clock.used(start + millis(61_000)), 5);
        // An answer does, where it stood: in the middle of the fifth.
        let later = start + millis(62_000);
        clock.grant(20, start + millis(72_000), later);
        let used = [0, 499, 500, 1_500].map(|at| clock.used(later + millis(at)));
        assert_eq!(used, [5, 5, 6, 7]);
    }

    #[test]
    fn a_second_that_began_within_the_lease_is_served_to_its_end() {
        let start = Instant::now();
        let clock = SecondsClock::new(1, start + millis(1_000));
        clock.grant(2, start + millis(10_000), start);
        let now = start + millis(1_500);
        assert_eq!(clock.grant(2, start + millis(1_600), now), start + millis(2_000));
    }
}
