//! Streams sold by the second: the clock is the counter.

use super::SecondsClock;
use crate::{Charge, Gauge};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

const SECOND: Duration = Duration::from_secs(1);

/// How long before a second begins that is not granted yet it is asked for.
const AHEAD: Duration = Duration::from_millis(250);

/// Counts a second when it begins. What it grants to the data path is time.
pub(super) struct Seconds<'a, G> {
    path: &'a G,
    clock: Arc<SecondsClock>,
}

impl<'a, G: Gauge> Seconds<'a, G> {
    /// Goes on where the charge stands: what it has captured runs first.
    pub(super) fn new(charge: &Charge, path: &'a G) -> Self {
        let (base, _) = charge.opened_with();
        let from = Instant::now() + charge.paid_for(SECOND);
        Self { path, clock: Arc::new(SecondsClock::new(base, from)) }
    }

    pub(super) fn clock(&self) -> Arc<SecondsClock> {
        Arc::clone(&self.clock)
    }

    /// When there is something to ask for: a moment before the last second granted ends, or when the lease does.
    fn asks(&self) -> Instant {
        let ends = self.clock.ends();
        ends.checked_sub(AHEAD).unwrap_or(ends).min(self.clock.until())
    }
}

impl<G: Gauge> Gauge for Seconds<'_, G> {
    fn used(&self) -> u64 {
        self.clock.used(Instant::now())
    }

    fn needed(&self) -> Option<u64> {
        let now = Instant::now();
        if self.clock.shows(now) + AHEAD >= self.clock.ends() {
            return Some(self.clock.to().saturating_add(1));
        }
        // The lease is over in the middle of what was granted: that much must be held anew.
        (now >= self.clock.until()).then(|| self.clock.used(now))
    }

    fn grant(&self, to: u64, until: Instant) {
        let until = self.clock.grant(to, until, Instant::now());
        self.path.grant(self.clock.to(), until);
    }

    async fn short(&self) {
        sleep_until(self.asks()).await;
    }

    fn lasts_until(&self) -> Option<Instant> {
        Some(self.clock.ends())
    }
}
