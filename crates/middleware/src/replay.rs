//! What has been used: stream tokens and DPoP proofs admit once.

use crate::VerifyError;
use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use tollwire_x402::{SessionId, StreamId};

/// One opening of one stream. Agents choose stream ids, so they mean something only within a session.
pub(crate) type Opening = (SessionId, StreamId, u64);

/// Remembers what was used for at least as long as it would be good.
///
/// Two generations that change places every `period`; each holds at most `max`. When one is full, uses are refused
/// rather than forgotten.
#[derive(Debug)]
pub(crate) struct Replays<T> {
    period_secs: u64,
    max: usize,
    generations: Mutex<Generations<T>>,
}

#[derive(Debug)]
struct Generations<T> {
    began: u64,
    young: HashSet<T>,
    old: HashSet<T>,
}

impl<T: Eq + Hash> Replays<T> {
    /// `period_secs` is the longest time from a first acceptance to its end.
    pub(crate) fn new(period_secs: u64, max: usize) -> Self {
        let generations = Generations { began: 0, young: HashSet::new(), old: HashSet::new() };
        Self { period_secs, max, generations: Mutex::new(generations) }
    }

    /// True for the first use, false for every other.
    pub(crate) fn first(&self, used: T, now: u64) -> Result<bool, VerifyError> {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.turn(now, self.period_secs);
        if generations.young.contains(&used) || generations.old.contains(&used) {
            return Ok(false);
        }
        if generations.young.len() >= self.max {
            return Err(VerifyError::Busy);
        }
        Ok(generations.young.insert(used))
    }
}

impl<T> Generations<T> {
    fn turn(&mut self, now: u64, period_secs: u64) {
        let age = now.saturating_sub(self.began);
        if age < period_secs {
            return;
        }
        let young = std::mem::take(&mut self.young);
        self.old = if age < period_secs.saturating_mul(2) { young } else { HashSet::new() };
        self.began = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_the_first_once_for_as_long_as_it_would_be_good() {
        let replays = Replays::new(120, 10);
        for now in [1000, 1001, 1119, 1120, 1239] {
            assert_eq!(replays.first(1, now), Ok(now == 1000), "{now}");
        }
        assert_eq!(replays.first(2, 1239), Ok(true), "another one");
        assert_eq!(replays.first(1, 1240), Ok(true), "long after its end");
        assert_eq!(replays.first(2, 10_000), Ok(true), "after a long pause");
    }

    #[test]
    fn memory_is_bounded_and_fails_closed() {
        let replays = Replays::new(120, 3);
        for used in 0..3 {
            assert_eq!(replays.first(used, 1000), Ok(true));
        }
        assert_eq!(replays.first(3, 1001), Err(VerifyError::Busy));
        assert_eq!(replays.first(0, 1001), Ok(false));
        assert_eq!(replays.first(3, 1120), Ok(true));
    }
}
