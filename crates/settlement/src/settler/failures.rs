//! Payers whose payments passed every check, were sent, and then came to nothing: cancelled, spent elsewhere, or without
//! the money by then. Each has cost us gas, and whoever does it on purpose pays nothing for it.
//!
//! Kept in memory: each process counts what it sends itself, and a restart forgives.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tollwire_ledger::Timestamp;
use tollwire_ledger::model::payer_key;

/// How long failures count, from a payer's first.
const WINDOW: Duration = Duration::from_hours(1);

/// Payers remembered at once; then those whose hour is over are forgotten, and if there are none, all.
const PAYERS_MAX: usize = 10_000;

/// Failures of one payer.
#[derive(Debug, Clone, Copy)]
struct Tally {
    since: Timestamp,
    failures: u32,
}

/// Failures of all payers.
#[derive(Debug)]
pub(super) struct Failures {
    /// `None`: as many as they like.
    per_payer: Option<u32>,
    payers: Mutex<HashMap<String, Tally>>,
}

impl Failures {
    /// At most this many an hour and payer; 0 for no bound.
    pub(super) fn at_most(per_payer: u32) -> Self {
        Self { per_payer: Some(per_payer).filter(|most| *most > 0), payers: Mutex::default() }
    }

    /// Counts a transaction that was mined and moved nothing.
    pub(super) fn add(&self, payer: &str, now: Timestamp) {
        metrics::counter!("tollwire_failed_transactions_total").increment(1);
        if self.per_payer.is_none() {
            return;
        }
        let mut payers = self.lock();
        if payers.len() >= PAYERS_MAX {
            payers.retain(|_, tally| !tally.is_over(now));
            if payers.len() >= PAYERS_MAX {
                tracing::warn!(payers = payers.len(), "payments of very many payers fail on the chain");
                payers.clear();
            }
        }
        let tally = payers.entry(payer_key(payer)).or_insert(Tally { since: now, failures: 0 });
        if tally.is_over(now) {
            *tally = Tally { since: now, failures: 0 };
        }
        tally.failures = tally.failures.saturating_add(1);
    }

    /// How long this payer has to wait, if too many of its payments have failed.
    pub(super) fn wait(&self, payer: &str, now: Timestamp) -> Option<Duration> {
        let most = self.per_payer?;
        let tally = self.lock().get(&payer_key(payer)).copied()?;
        let barred = tally.failures >= most && !tally.is_over(now);
        barred.then(|| tally.since.after(WINDOW).since(now))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Tally>> {
        self.payers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    fn is_over(self, now: Timestamp) -> bool {
        now >= self.since.after(WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYER: &str = "0xAb5801a7D398351b8bE11C439e05C5B3259aeC9B";

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_millis(secs * 1_000)
    }

    #[test]
    fn an_hour_from_the_first() {
        let failures = Failures::at_most(2);
        failures.add(PAYER, at(0));
        assert_eq!(failures.wait(PAYER, at(10)), None);
        failures.add(&PAYER.to_lowercase(), at(600));
        assert_eq!(failures.wait(PAYER, at(600)), Some(Duration::from_mins(50)), "one account in any case");
        assert_eq!(failures.wait("0x0000000000000000000000000000000000000001", at(600)), None);
        assert_eq!(failures.wait(PAYER, at(3_600)), None);
        failures.add(PAYER, at(3_600));
        assert_eq!(failures.wait(PAYER, at(3_601)), None, "counted anew");
    }

    #[test]
    fn no_bound_remembers_nobody() {
        let failures = Failures::at_most(0);
        (0..100).for_each(|secs| failures.add(PAYER, at(secs)));
        assert_eq!((failures.wait(PAYER, at(1)), failures.lock().len()), (None, 0));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let failures = Failures::at_most(1);
        (0..3 * PAYERS_MAX).for_each(|payer| failures.add(&format!("payer-{payer}"), at(0)));
        assert!(failures.lock().len() <= PAYERS_MAX);
    }
}
