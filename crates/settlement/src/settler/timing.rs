//! When a task may send a transaction again, or make another.

use super::pace::Pace;
use crate::SettlerConfig;
use std::time::Duration;
use tokio::time::Instant;

/// What each payment that is looked at by itself adds to the pause between two looks at one, where there are several, so
/// that a node is asked some hundreds of times a second at most.
const WATCH_PAUSE_EACH: Duration = Duration::from_millis(2);

/// The pause before the second look at what was just sent; it doubles with each. A node that makes a block for every
/// transaction has it soon, and is not waited for as one with a clock is.
const WATCH_PAUSE_FIRST: Duration = Duration::from_millis(5);

/// The same where nothing else is in flight.
const WATCH_PAUSE_FIRST_ALONE: Duration = Duration::from_millis(2);

/// When a task may send again, and how long it waits between two looks.
pub(super) struct Timing {
    /// The last transaction, if it was not seen yet: at once when taken over from somebody else, then after 1 s,
    /// 2 s, 4 s, ... at most 15 s.
    resend_at: Instant,
    resend_pace: Pace,
    /// Another transaction, whatever the record says: a chain may make the same one again.
    attempt_at: Instant,
    /// How often it was looked for since a transaction went out.
    looks: u32,
    /// How many payments, this one included, are looked at together.
    company: u32,
    /// Transactions known to have been mined without effect.
    failed: usize,
}

impl Timing {
    pub(super) fn new() -> Self {
        let resend_pace = Pace::new(Duration::from_secs(1), Duration::from_secs(15));
        Self {
            resend_at: Instant::now(),
            resend_pace,
            attempt_at: Instant::now(),
            looks: 0,
            company: 1,
            failed: 0,
        }
    }

    pub(super) fn resend_due(&mut self) -> bool {
        let due = Instant::now() >= self.resend_at;
        if due {
            self.resend_at = Instant::now() + self.resend_pace.step();
        }
        due
    }

    pub(super) fn attempt_due(&self) -> bool {
        Instant::now() >= self.attempt_at
    }

    /// How long to wait for the next look, if a transaction of this task's making went out a moment ago: its block may come
    /// any time, so it is watched closely, but less so the more payments are `in_flight` that are not looked at together.
    pub(super) fn watch_pause(&mut self, config: &SettlerConfig, in_flight: u32) -> Option<Duration> {
        if self.attempt_due() {
            return None;
        }
        let (first, more) = if in_flight > 1 {
            (WATCH_PAUSE_FIRST, WATCH_PAUSE_EACH.saturating_mul(in_flight.div_ceil(self.company)))
        } else {
            (WATCH_PAUSE_FIRST_ALONE, Duration::ZERO)
        };
        let pause = first.saturating_mul(2_u32.saturating_pow(self.looks)).min(config.poll_first);
        self.looks = self.looks.saturating_add(1);
        Some(pause.saturating_add(more).min(config.poll_max))
    }

    /// So many payments, this one included, are looked at together.
    pub(super) fn in_company_of(&mut self, company: u32) {
        self.company = company.max(1);
    }

    /// A transaction went out.
    pub(super) fn sent(&mut self) {
        self.looks = 0;
    }

    pub(super) fn attempted(&mut self, pause: Duration) {
        self.attempt_at = Instant::now() + pause;
        self.resend_at = Instant::now() + self.resend_pace.step();
    }

    /// Whether it is news that all transactions made so far were mined without effect.
    pub(super) fn have_failed(&mut self, made: usize) -> bool {
        let news = made > self.failed;
        self.failed = self.failed.max(made);
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_sent_is_watched_closely_but_less_so_beside_others() {
        let config = SettlerConfig::default();
        let mut timing = Timing::new();
        assert_eq!(timing.watch_pause(&config, 1), None, "nothing of this task's making is out");
        timing.attempted(config.attempt_after);
        let pauses = |timing: &mut Timing, in_flight, company| {
            timing.sent();
            timing.in_company_of(company);
            let pauses = (0..6).filter_map(|_| timing.watch_pause(&config, in_flight));
            pauses.map(|pause| pause.as_millis()).collect::<Vec<_>>()
        };
        assert_eq!(pauses(&mut timing, 1, 1), [2, 4, 8, 16, 32, 64]);
        assert_eq!(pauses(&mut timing, 32, 1), [69, 74, 84, 104, 144, 164]);
        assert_eq!(pauses(&mut timing, 64, 32), [9, 14, 24, 44, 84, 104], "two transactions in all");
        tokio::time::advance(config.attempt_after).await;
        assert_eq!(pauses(&mut timing, 1, 1), [], "another transaction may be due");
    }
}
