//! Purses: counters with a limit for a time, such as a customer's settlements per day.
//!
//! They hold no money of anybody's: what is spent is an operator's own allowance. A purse begins with its first
//! spending and starts anew when its window has passed, by the store's clock.

use crate::Timestamp;
use crate::core::{MILLIS_MAX, UNITS_MAX};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What one spending adds to one counter of a purse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Which counter. The charges of one spending name different ones.
    pub counter: String,
    /// How much.
    pub amount: u64,
    /// The most that the counter may come to within one window, at most [`UNITS_MAX`].
    pub limit: u64,
}

/// The answer to a spending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a purse that is short allows nothing"]
pub enum Spent {
    /// Every counter was charged.
    Done,
    /// The same spending was charged before, in this window: nothing was charged again.
    Replayed,
    /// A counter would pass its limit: none was charged.
    Short {
        /// The first charge that does not fit, by its place.
        charge: usize,
        /// How long until the purse starts anew.
        again_in: Duration,
    },
}

/// A purse in memory: the rule that every store follows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Purse {
    until: Timestamp,
    counters: BTreeMap<String, u64>,
    ids: BTreeSet<String>,
}

impl Charge {
    /// What the counter comes to after this charge, if that is within its limit.
    pub(crate) fn on(&self, spent: u64) -> Option<u64> {
        spent.checked_add(self.amount).filter(|sum| *sum <= self.limit.min(UNITS_MAX))
    }
}

/// When the window that begins now ends.
pub(crate) fn end_of(window: Duration, now: Timestamp) -> Timestamp {
    let end = now.after(window.max(Duration::from_millis(1)));
    Timestamp::from_millis(end.millis().min(MILLIS_MAX))
}

impl Purse {
    pub(crate) fn spend(&mut self, id: &str, charges: &[Charge], window: Duration, now: Timestamp) -> Spent {
        let over = self.until <= now;
        let until = if over { end_of(window, now) } else { self.until };
        if !over && self.ids.contains(id) {
            return Spent::Replayed;
        }
        let mut sums = Vec::with_capacity(charges.len());
        for (charge, position) in charges.iter().zip(0..) {
            let spent = self.counters.get(&charge.counter).filter(|_| !over).copied().unwrap_or_default();
            let Some(sum) = charge.on(spent) else {
                return Spent::Short { charge: position, again_in: until.since(now) };
            };
            sums.push((charge.counter.clone(), sum));
        }
        if over {
            *self = Self { until, ..Self::default() };
        }
        self.counters.extend(sums);
        self.ids.insert(id.to_owned());
        Spent::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn charge(counter: &str, amount: u64, limit: u64) -> Charge {
        Charge { counter: counter.into(), amount, limit }
    }

    #[test]
    fn all_counters_are_charged_or_none() {
        let mut purse = Purse::default();
        let at = Timestamp::from_millis;
        let both = [charge("settles", 1, 2), charge("gas", 10, 15)];
        let short = |charge, after| Spent::Short { charge, again_in: at(5).after(DAY).since(at(after)) };
        assert_eq!(purse.spend("a", &both, DAY, at(5)), Spent::Done);
        assert_eq!(purse.spend("a", &both, DAY, at(6)), Spent::Replayed);
        assert_eq!(purse.spend("b", &both, DAY, at(7)), short(1, 7));
        assert_eq!(purse.spend("c", &both[..1], DAY, at(7)), Spent::Done, "the other counter was left alone");
        assert_eq!(purse.spend("d", &both[..1], DAY, at(9)), short(0, 9));
        assert_eq!(purse.spend("x", &[charge("y", u64::MAX, u64::MAX)], DAY, at(9)), short(0, 9));
        assert_eq!(purse.spend("a", &both, DAY, at(5).after(DAY)), Spent::Done, "another day");
    }

    #[test]
    fn a_purse_begins_with_what_was_spent_not_with_what_was_refused() {
        let mut purse = Purse::default();
        let at = Timestamp::from_millis;
        let dear = [charge("gas", 3, 2)];
        assert_eq!(purse.spend("a", &dear, DAY, at(5)), Spent::Short { charge: 0, again_in: DAY });
        assert_eq!(purse.spend("a", &dear, DAY, at(9)), Spent::Short { charge: 0, again_in: DAY });
    }
}
