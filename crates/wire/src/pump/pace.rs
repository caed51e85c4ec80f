//! How many frames without data one side sends in a second.

use std::time::Duration;

use tokio::time::Instant;

const WINDOW: Duration = Duration::from_secs(1);

/// Counts over windows of a second; looks at the clock only when the count has changed.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The count at the last look.
    seen: u64,
    /// The current window's start, and the count then.
    window: Option<(Instant, u64)>,
}

impl Pace {
    /// Whether `count`, a running total, has grown by more than `max` within the current second.
    #[inline]
    pub(super) fn exceeds(&mut self, count: u64, max: u32) -> bool {
        count != self.seen && self.grown(count, max)
    }

    fn grown(&mut self, count: u64, max: u32) -> bool {
        let now = Instant::now();
        let base = match self.window {
            Some((start, base)) if now.duration_since(start) < WINDOW => base,
            _ => {
                self.window = Some((now, self.seen));
                self.seen
            }
        };
        self.seen = count;
        count.saturating_sub(base) > u64::from(max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_second_has_its_own_allowance() {
        let mut pace = Pace::default();
        assert!(!pace.exceeds(0, 3));
        assert!(!pace.exceeds(3, 3));
        tokio::time::advance(Duration::from_millis(999)).await;
        assert!(!pace.exceeds(3, 3));
        assert!(pace.exceeds(4, 3));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!pace.exceeds(7, 3));
        assert!(pace.exceeds(8, 3));
    }
}
