//! How often something may happen: a token bucket, in whole numbers and with the time passed in.

use std::time::Duration;
use tollwire_ledger::Timestamp;

/// A rate: so many within a time, all of them at once if none came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// Within what time.
    pub within: Duration,
}

/// What is left of a rate. It fills evenly: one of `count` after `within / count`.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    rate: Rate,
    /// What is left, in parts: one event is `within` in milliseconds.
    parts: u64,
    at: Timestamp,
}

impl Bucket {
    /// The rate it keeps.
    pub(crate) const fn rate(&self) -> Rate {
        self.rate
    }

    /// A full one.
    pub(crate) fn new(rate: Rate, now: Timestamp) -> Self {
        let mut bucket = Self { rate, parts: 0, at: now };
        bucket.parts = bucket.parts_max();
        bucket
    }

    fn cost(&self) -> u64 {
        u64::try_from(self.rate.within.as_millis()).unwrap_or(u64::MAX).max(1)
    }

    fn parts_max(&self) -> u64 {
        self.cost().saturating_mul(u64::from(self.rate.count))
    }

    fn fill(&mut self, now: Timestamp) {
        let elapsed = u64::try_from(now.since(self.at).as_millis()).unwrap_or(u64::MAX);
        let more = elapsed.saturating_mul(u64::from(self.rate.count));
        self.parts = self.parts.saturating_add(more).min(self.parts_max());
        self.at = self.at.max(now);
    }

    /// How long until one may happen; zero if it may now.
    pub(crate) fn wait(&mut self, now: Timestamp) -> Duration {
        self.fill(now);
        let missing = self.cost().saturating_sub(self.parts);
        match u64::from(self.rate.count) {
            0 => Duration::MAX,
            count => Duration::from_millis(missing.div_ceil(count)),
        }
    }

    /// Uses one up.
    pub(crate) fn take(&mut self) {
        self.parts = self.parts.saturating_sub(self.cost());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATE: Rate = Rate { count: 3, within: Duration::from_secs(60) };

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_millis(secs * 1_000)
    }

    #[test]
    fn a_burst_then_the_rate() {
        let mut bucket = Bucket::new(RATE, at(100));
        for _ in 0..3 {
            assert_eq!(bucket.wait(at(100)), Duration::ZERO);
            bucket.take();
        }
        assert_eq!(bucket.wait(at(100)), Duration::from_secs(20));
        assert_eq!(bucket.wait(at(119)), Duration::from_secs(1));
        assert_eq!(bucket.wait(at(120)), Duration::ZERO);
        bucket.take();
        assert_eq!(bucket.wait(at(120)), Duration::from_secs(20));
        assert_eq!(bucket.wait(at(10)), Duration::from_secs(20), "a clock that steps back gives nothing");
        assert_eq!(Bucket::new(Rate { count: 0, ..RATE }, at(0)).wait(at(9)), Duration::MAX);
    }

    proptest! {
        /// In no stretch of time are there more than the burst and what has filled up since.
        #[test]
        fn never_more_than_the_rate(steps in prop::collection::vec(0_u64..5_000, 1..200)) {
            let mut bucket = Bucket::new(RATE, Timestamp::default());
            let (mut now, mut taken) = (0_u64, 0_u64);
            for step in steps {
                now += step;
                if bucket.wait(Timestamp::from_millis(now)).is_zero() {
                    bucket.take();
                    taken += 1;
                }
                prop_assert!(taken <= 3 + now * 3 / 60_000);
            }
        }
    }
}
