//! How much to ask for, and when: the policy of leases, without a store or a timer.

use std::time::Duration;
use tokio::time::Instant;

/// What a stream may use, and how fast it does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lease {
    /// Cumulative units that may be used.
    pub(super) to: u64,
    /// Until when.
    pub(super) until: Instant,
    /// Units it used when the ledger was last told.
    pub(super) told: u64,
    /// When that was.
    pub(super) told_at: Instant,
    /// Units held ahead that it asked for last.
    pub(super) ahead: u64,
}

/// What to say to the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ask {
    /// Cumulative units used.
    pub(super) used: u64,
    /// Without these it cannot go on.
    pub(super) need: u64,
    /// These it would like.
    pub(super) want: u64,
    /// What the data path may use until the answer is there.
    pub(super) meanwhile: u64,
}

impl Ask {
    /// The same with what has been used by now.
    pub(super) fn after(self, used: u64) -> Self {
        let used = self.used.max(used);
        let need = self.need.max(used);
        Self { used, need, want: self.want.max(need), meanwhile: self.meanwhile.max(used) }
    }
}

/// Why the ledger is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Something waits, or all is used.
    Short,
    /// It is time to tell what was used.
    Due,
    /// Another stream is short, or this one is idle: give back what is not needed.
    GiveBack,
    /// The hold lapsed: what was granted means nothing any more.
    Lapsed,
}

/// A stream is idle when it has used nothing for this part of its lease.
const IDLE_PART: u32 = 2;

impl Lease {
    /// What to say. `used` and `needed` are the gauge's; `most` bounds what is held ahead.
    pub(super) fn ask(&self, why: Why, used: u64, needed: Option<u64>, now: Instant, pace: &Pace) -> Ask {
        let need = needed.unwrap_or(used).max(used);
        match why {
            Why::GiveBack | Why::Lapsed => Ask { used, need, want: need, meanwhile: used },
            Why::Short | Why::Due => {
                let want = need.max(used.saturating_add(self.wish(why, used, now, pace)));
                if needed.is_some_and(|needed| needed > self.to) || used >= self.to {
                    // The answer may take away what is left of the old grant.
                    Ask { used, need, want, meanwhile: used }
                } else {
                    // What was granted stays: it is used while the answer is on its way.
                    Ask { used, need: self.to.max(need), want: want.max(self.to), meanwhile: self.to }
                }
            }
        }
    }

    /// Units to hold ahead: two intervals of its rate; twice as many as last time if those did not last. Where there are
    /// so many streams that renewals come late, the interval is what it came to.
    fn wish(&self, why: Why, used: u64, now: Instant, pace: &Pace) -> u64 {
        let since = now.saturating_duration_since(self.told_at).max(Duration::from_millis(1));
        let interval = pace.every.max(since.min(pace.lease / 2)).as_nanos();
        let grown = u128::from(used.saturating_sub(self.told));
        let rate = grown.saturating_mul(interval.saturating_mul(2)) / since.as_nanos();
        let rate = u64::try_from(rate).unwrap_or(u64::MAX);
        let doubled = if why == Why::Short { self.ahead.saturating_mul(2) } else { 0 };
        // A rate seen over an instant says little; doubling reaches any rate in a few steps.
        let seen = if why == Why::Short { rate.min(doubled.max(1)) } else { rate };
        seen.max(doubled).clamp(1, pace.most)
    }

    /// When to look at the stream again: a busy one after an interval, one that used nothing since it was told once more,
    /// in the middle of its lease. `None` for a stream that holds nothing ahead: it will say when it is short.
    pub(super) fn look_at(&self, used: u64, looked: bool, pace: &Pace) -> Option<Instant> {
        if used >= self.to {
            return None;
        }
        let early = self.told_at + pace.every;
        let late = self.until.checked_sub(pace.lease / IDLE_PART).unwrap_or(early);
        Some(if looked { late.max(early) } else { early })
    }

    /// The latest moment for a renewal that waits its turn: a quarter of the lease is left for it.
    pub(super) fn turn_by(&self, pace: &Pace) -> Instant {
        self.until.checked_sub(pace.lease / 4).unwrap_or(self.until)
    }

    /// When a stream whose store has not answered `since` is to end: with its lease. If that is over, because it held
    /// nothing, or nearly so, the store has half a lease to come back.
    pub(super) fn gives_up(&self, since: Instant, pace: &Pace) -> Instant {
        self.until.max(since + pace.lease / 2)
    }
}

/// The numbers of [`MeterConfig`](crate::MeterConfig) that the policy goes by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How often a busy stream tells its use.
    pub(super) every: Duration,
    /// How long a lease runs.
    pub(super) lease: Duration,
    /// The most units held ahead.
    pub(super) most: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { every: Duration::from_secs(1), lease: Duration::from_secs(10), most: 1_000 };

    fn lease(to: u64, told: u64, ahead: u64) -> Lease {
        let now = Instant::now();
        Lease { to, until: now + PACE.lease, told, told_at: now, ahead }
    }

    fn after(lease: &Lease, millis: u64) -> Instant {
        lease.told_at + Duration::from_millis(millis)
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_stream_asks_for_two_seconds_of_its_rate_and_keeps_what_it_has_meanwhile() {
        let lease = lease(100, 0, 50);
        let ask = lease.ask(Why::Due, 60, None, after(&lease, 1_000), &PACE);
        assert_eq!(ask, Ask { used: 60, need: 100, want: 180, meanwhile: 100 });
    }

    #[tokio::test(start_paused = true)]
    async fn who_could_ask_only_late_asks_for_as_much_more() {
        let lease = lease(600, 0, 300);
        let ask = lease.ask(Why::Due, 400, None, after(&lease, 4_000), &PACE);
        assert_eq!(ask.want, 1_200, "eight seconds of 100 a second");
        let ask = lease.ask(Why::Due, 80, None, after(&lease, 8_000), &PACE);
        assert_eq!(ask.want, 600, "what it has is more than ten seconds of 10 a second");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_runs_dry_doubles() {
        let lease = lease(4, 0, 4);
        let ask = lease.ask(Why::Short, 4, Some(5), after(&lease, 1), &PACE);
        assert_eq!(ask, Ask { used: 4, need: 5, want: 12, meanwhile: 4 });
        let ask = lease.ask(Why::Short, 4, None, after(&lease, 10), &PACE);
        assert_eq!((ask.need, ask.want), (4, 12), "all is used and nothing waits yet");
    }

    #[tokio::test(start_paused = true)]
    async fn a_dear_frame_is_asked_for_whole_and_nothing_else_is_used_meanwhile() {
        let lease = lease(10, 0, 10);
        let ask = lease.ask(Why::Short, 3, Some(40), after(&lease, 5), &PACE);
        assert_eq!((ask.used, ask.need, ask.meanwhile), (3, 40, 3));
        assert!(ask.want >= 40);
    }

    #[tokio::test(start_paused = true)]
    async fn giving_back_keeps_what_waits() {
        let lease = lease(100, 0, 100);
        assert_eq!(
            lease.ask(Why::GiveBack, 7, None, after(&lease, 5), &PACE),
            Ask { used: 7, need: 7, want: 7, meanwhile: 7 }
        );
    }

    #[tokio::test(start_paused = true)]
    async fn wishes_are_bounded() {
        let lease = lease(1 << 40, 0, 900);
        let ask = lease.ask(Why::Due, 1 << 39, None, after(&lease, 1_000), &PACE);
        assert_eq!(ask.want, 1 << 40, "no more than it has");
        let lease = Lease { to: 1 << 39, ..lease };
        let ask = lease.ask(Why::Short, 1 << 39, None, after(&lease, 1), &PACE);
        assert_eq!(ask.want, (1 << 39) + PACE.most);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_store_a_stream_ends_with_its_lease() {
        let busy = lease(100, 0, 100);
        assert_eq!(busy.gives_up(after(&busy, 1_000), &PACE), busy.until);
        assert_eq!(busy.gives_up(after(&busy, 9_000), &PACE), after(&busy, 14_000));
        assert_eq!(busy.gives_up(after(&busy, 60_000), &PACE), after(&busy, 65_000), "it held nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_stream_is_looked_at_twice_and_then_left_alone() {
        let lease = lease(5, 5, 5);
        assert_eq!(lease.look_at(5, false, &PACE), None);
        let held = Lease { to: 9, ..lease };
        assert_eq!(held.look_at(5, false, &PACE), Some(after(&held, 1_000)));
        assert_eq!(held.look_at(5, true, &PACE), Some(after(&held, 5_000)));
    }
}
