//! Pauses that grow.

use std::time::Duration;

/// Doubling pauses up to a bound.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    next: Duration,
    max: Duration,
}

impl Pace {
    /// Starts at `first` and never rests longer than `max`.
    pub(super) fn new(first: Duration, max: Duration) -> Self {
        Self { next: first.min(max), max }
    }

    /// The next pause; the one after is twice as long.
    pub(super) fn step(&mut self) -> Duration {
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(self.max);
        pause
    }

    /// Rests for the next pause.
    pub(super) async fn rest(&mut self) {
        let pause = self.step();
        tokio::time::sleep(pause).await;
    }
}
