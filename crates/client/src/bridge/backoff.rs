//! Pauses between attempts: pure; what is random about them is passed in.

use std::time::Duration;

/// Pauses that grow: 1 s, 2 s, 4 s, ... up to 60 s, each with up to half a second more.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

/// The most that is added to a pause, so that not all come back together.
const JITTER: Duration = Duration::from_millis(500);

impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_secs(1), Duration::from_secs(60))
    }
}

impl Backoff {
    /// Pauses from `first` to `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// The next pause. `random` decides how much longer than its step it is.
    #[must_use]
    pub fn next(&mut self, random: u32) -> Duration {
        let step = self.next;
        self.next = step.saturating_mul(2).min(self.longest);
        let millis = u64::from(random) % u64::try_from(JITTER.as_millis()).unwrap_or(1);
        step.saturating_add(Duration::from_millis(millis))
    }

    /// From the beginning: an attempt has succeeded.
    pub const fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_a_second_to_a_minute_with_a_little_more() {
        let mut backoff = Backoff::default();
        let steps: Vec<u64> = (0..9).map(|_| backoff.next(0).as_secs()).collect();
        assert_eq!(steps, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(backoff.next(499), Duration::from_millis(60_499));
        assert_eq!(backoff.next(u32::MAX), Duration::from_secs(60) + Duration::from_millis(295));
        backoff.reset();
        assert_eq!(backoff.next(500), Duration::from_secs(1));
    }
}
