//! Requests per second, in all and per payer, of one customer on one node.

use super::terms::{Rate, Terms};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tollwire_ledger::model::payer_key;

/// Payers remembered at once; those who have been quiet long enough to start afresh make room for others.
const PAYERS_MAX: usize = 16_384;

/// How long a payer waits for whom there is no room.
const NO_ROOM: Duration = Duration::from_secs(1);

/// The state of a customer's rates.
#[derive(Default)]
pub(super) struct Rates {
    all: Mutex<Option<Instant>>,
    payers: Mutex<HashMap<String, Instant>>,
}

impl Rates {
    /// One more request of the customer's; how long it must wait instead, if it came too soon.
    pub(super) fn request(&self, terms: &Terms) -> Result<(), Duration> {
        let Some(rate) = terms.requests else { return Ok(()) };
        let mut due = lock(&self.all);
        *due = Some(next(rate, *due, Instant::now())?);
        Ok(())
    }

    /// One more request about a payer, whose signature was checked.
    pub(super) fn payer(&self, terms: &Terms, payer: &str) -> Result<(), Duration> {
        let Some(rate) = terms.requests_per_payer else { return Ok(()) };
        let (now, mut payers) = (Instant::now(), lock(&self.payers));
        let payer = payer_key(payer);
        let known = payers.get(&payer).copied();
        if known.is_none() && payers.len() >= PAYERS_MAX {
            payers.retain(|_, due| *due > now);
            if payers.len() >= PAYERS_MAX {
                return Err(NO_ROOM);
            }
        }
        payers.insert(payer, next(rate, known, now)?);
        Ok(())
    }
}

/// The time by which this and all earlier requests are paid for, one at a time; the wait if that lies too far ahead.
fn next(rate: Rate, due: Option<Instant>, now: Instant) -> Result<Instant, Duration> {
    let each = Duration::from_secs(1) / rate.per_second.get();
    let ahead = each.saturating_mul(rate.burst.get().saturating_sub(1));
    let due = due.map_or(now, |due| due.max(now));
    let wait = due.saturating_duration_since(now).saturating_sub(ahead);
    if wait.is_zero() { Ok(due + each) } else { Err(wait) }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    fn terms(per_second: u32, burst: u32) -> Terms {
        let number = |n| NonZeroU32::new(n).unwrap();
        let rate = Some(Rate { per_second: number(per_second), burst: number(burst) });
        Terms { requests: rate, requests_per_payer: rate, ..Terms::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_then_as_many_as_the_rate_says() {
        let (rates, terms) = (Rates::default(), terms(4, 3));
        for _ in 0..3 {
            assert_eq!(rates.request(&terms), Ok(()));
        }
        let wait = rates.request(&terms).unwrap_err();
        assert_eq!(wait, Duration::from_millis(250));
        tokio::time::advance(wait).await;
        assert_eq!(rates.request(&terms), Ok(()), "the wait it was told was long enough");
        assert!(rates.request(&terms).is_err());
        tokio::time::advance(Duration::from_secs(60)).await;
        let admitted = (0..100).filter(|_| rates.request(&terms).is_ok()).count();
        assert_eq!(admitted, 3, "rest saves up no more than a burst");
    }

    #[tokio::test(start_paused = true)]
    async fn payers_wait_for_themselves_alone_and_do_not_fill_memory() {
        let (rates, terms) = (Rates::default(), terms(1, 1));
        assert_eq!(rates.payer(&terms, "0xAB"), Ok(()));
        assert_eq!(rates.payer(&terms, "0xab"), Err(Duration::from_secs(1)));
        for n in 1..PAYERS_MAX {
            assert_eq!(rates.payer(&terms, &n.to_string()), Ok(()));
        }
        assert_eq!(rates.payer(&terms, "one more"), Err(NO_ROOM));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(rates.payer(&terms, "one more"), Ok(()));
        assert_eq!(lock(&rates.payers).len(), 1);
    }
}
