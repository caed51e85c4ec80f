//! Streams sold by the second: the clock is the counter.

use crate::charge::begun;
use crate::{Charge, Gauge};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

const SECOND: Duration = Duration::from_secs(1);

/// How long before a second begins that is not granted yet it is asked for.
const AHEAD: Duration = Duration::from_millis(250);

/// Counts a second when it begins. What it grants to the data path is time.
pub(super) struct Seconds<'a, G> {
    path: &'a G,
    /// Units used up at `from`.
    base: u64,
    /// When the next unit begins.
    from: Instant,
    /// Units granted.
    to: AtomicU64,
}

impl<'a, G: Gauge> Seconds<'a, G> {
    /// Goes on where the charge stands: what it has captured runs first.
    pub(super) fn new(charge: &Charge, path: &'a G) -> Self {
        let (base, _) = charge.opened_with();
        let from = Instant::now() + charge.paid_for(SECOND);
        Self { path, base, from, to: AtomicU64::new(base) }
    }

    /// Units used up when its clock starts, and when that is.
    pub(super) fn clock(&self) -> (u64, Instant) {
        (self.base, self.from)
    }

    /// When the unit after the `units`th begins.
    fn begins(&self, units: u64) -> Instant {
        let seconds = Duration::from_secs(units.saturating_sub(self.base));
        self.from.checked_add(seconds).unwrap_or(self.from)
    }

    fn to(&self) -> u64 {
        self.to.load(Ordering::Acquire)
    }
}

impl<G: Gauge> Gauge for Seconds<'_, G> {
    fn used(&self) -> u64 {
        self.base.saturating_add(begun(self.from, Instant::now())).min(self.to())
    }

    fn needed(&self) -> Option<u64> {
        let to = self.to();
        (Instant::now() + AHEAD >= self.begins(to)).then(|| to.saturating_add(1))
    }

    fn grant(&self, to: u64, until: Instant) {
        let to = to.max(self.used());
        self.to.store(to, Ordering::Release);
        let lasts = self.begins(to);
        // What was used is captured, and no lease ends it; what is merely held ends with the lease.
        let sure = self.begins(self.used());
        self.path.grant(to, lasts.min(until.max(sure)));
    }

    async fn short(&self) {
        loop {
            let to = self.to();
            sleep_until(self.begins(to).checked_sub(AHEAD).unwrap_or(self.from)).await;
            if to == self.to() {
                return;
            }
        }
    }

    fn lasts_until(&self) -> Option<Instant> {
        Some(self.begins(self.to()))
    }
}
