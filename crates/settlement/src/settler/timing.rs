//! When a task may send a transaction again, or make another.

use super::pace::Pace;
use std::time::Duration;
use tokio::time::Instant;

/// When a task may send again.
pub(super) struct Timing {
    /// The last transaction, if it was not seen yet: at once when taken over from somebody else, then after 1 s,
    /// 2 s, 4 s, ... at most 15 s.
    resend_at: Instant,
    resend_pace: Pace,
    /// Another transaction, whatever the record says: a chain may make the same one again.
    attempt_at: Instant,
    /// Transactions known to have been mined without effect.
    failed: usize,
}

impl Timing {
    pub(super) fn new() -> Self {
        let resend_pace = Pace::new(Duration::from_secs(1), Duration::from_secs(15));
        Self { resend_at: Instant::now(), resend_pace, attempt_at: Instant::now(), failed: 0 }
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

    /// Whether a transaction of this task's making went out a moment ago.
    pub(super) fn is_watching(&self) -> bool {
        !self.attempt_due()
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
