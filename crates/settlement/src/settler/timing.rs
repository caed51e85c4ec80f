//! When a task may send a transaction again, or make another.

use super::pace::Pace;
use crate::SettlerConfig;
use std::time::Duration;
use tokio::time::Instant;

/// What each payment being worked on adds to the pause between two looks at one, so that a node is asked some hundreds
/// of times a second at most.
const WATCH_PAUSE_EACH: Duration = Duration::from_millis(2);

/// The pause before the second look at what was just sent: a node that makes a block for every transaction has it by then,
/// and is not waited for as one with a clock is.
const WATCH_PAUSE_FIRST: Duration = Duration::from_millis(15);

/// When a task may send again, and how long it waits between two looks.
pub(super) struct Timing {
    /// The last transaction, if it was not seen yet: at once when taken over from somebody else, then after 1 s,
    /// 2 s, 4 s, ... at most 15 s.
    resend_at: Instant,
    resend_pace: Pace,
    /// Another transaction, whatever the record says: a chain may make the same one again.
    attempt_at: Instant,
    /// Whether no pause was made since a transaction went out.
    just_sent: bool,
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
            just_sent: false,
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
    /// any time, so it is watched closely, but less so the more payments are `in_flight`.
    pub(super) fn watch_pause(&mut self, config: &SettlerConfig, in_flight: u32) -> Option<Duration> {
        if self.attempt_due() {
            return None;
        }
        let just_sent = std::mem::take(&mut self.just_sent);
        let pause = if just_sent { WATCH_PAUSE_FIRST.min(config.poll_first) } else { config.poll_first };
        Some(pause.saturating_add(WATCH_PAUSE_EACH.saturating_mul(in_flight)).min(config.poll_max))
    }

    /// A transaction went out.
    pub(super) fn sent(&mut self) {
        self.just_sent = true;
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
