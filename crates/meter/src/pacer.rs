//! Spreads renewals over time, so that many streams do not ask a store more than it can answer.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

/// Gives each renewal a moment of its own, at most so many per second, and lets only so many wait for an answer.
#[derive(Debug)]
pub(crate) struct Pacer {
    /// Time between two renewals.
    gap: Duration,
    /// When the next may go.
    next: Mutex<Option<Instant>>,
    /// One for each renewal or end that may be at the store.
    slots: Semaphore,
}

impl Pacer {
    pub(crate) fn new(per_sec_max: u32, at_once_max: u32) -> Self {
        let gap = Duration::from_secs(1).checked_div(per_sec_max.max(1)).unwrap_or_default();
        let slots = usize::try_from(at_once_max.max(1)).unwrap_or(Semaphore::MAX_PERMITS);
        Self { gap, next: Mutex::new(None), slots: Semaphore::new(slots.min(Semaphore::MAX_PERMITS)) }
    }

    /// Waits until the store may be asked, first come, first served. Streams that run short do not wait for their moment;
    /// without this, a store that falls behind would make more and more of them short, and be asked more the slower it
    /// gets.
    pub(crate) async fn slot(&self) -> SemaphorePermit<'_> {
        match self.slots.acquire().await {
            Ok(slot) => slot,
            // Nobody closes it.
            Err(_) => std::future::pending().await,
        }
    }

    /// Waits for this renewal's moment, but not for one after `latest`: its lease would be over.
    pub(crate) async fn turn(&self, latest: Instant) {
        let now = Instant::now();
        let mine = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let mine = next.unwrap_or(now).min(latest).max(now);
            *next = mine.checked_add(self.gap);
            mine
        };
        if mine > now {
            sleep_until(mine).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn renewals_are_spread_and_an_idle_pacer_owes_nothing() {
        let pacer = Pacer::new(10, 1);
        let started = Instant::now();
        for _ in 0..11 {
            pacer.turn(started + Duration::from_mins(1)).await;
        }
        assert_eq!(started.elapsed(), Duration::from_secs(1));
        tokio::time::advance(Duration::from_mins(1)).await;
        let again = Instant::now();
        pacer.turn(again + Duration::from_mins(1)).await;
        assert_eq!(again.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_are_at_the_store() {
        let pacer = Pacer::new(1, 2);
        let (first, _second) = (pacer.slot().await, pacer.slot().await);
        assert!(tokio::time::timeout(Duration::from_secs(1), pacer.slot()).await.is_err());
        drop(first);
        drop(pacer.slot().await);
    }

    #[tokio::test(start_paused = true)]
    async fn no_renewal_waits_beyond_its_lease_and_none_for_those_that_did_not_wait() {
        let pacer = Pacer::new(1, 1);
        let started = Instant::now();
        let latest = started + Duration::from_secs(3);
        let turns = (0..20).map(|_| pacer.turn(latest));
        futures_util::future::join_all(turns).await;
        assert_eq!(started.elapsed(), Duration::from_secs(3));
        pacer.turn(started + Duration::from_mins(1)).await;
        assert_eq!(started.elapsed(), Duration::from_secs(4));
    }
}
