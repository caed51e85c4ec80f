//! How much nonsense a peer may send.

use std::time::Duration;
use tokio::time::Instant;

/// So many malformed frames ...
const STRIKES_MAX: u32 = 20;

/// ... within this time end a connection.
const WITHIN: Duration = Duration::from_secs(10);

/// Counts malformed frames, in windows that begin with the first.
#[derive(Debug)]
pub(super) struct Strikes {
    since: Instant,
    count: u32,
}

impl Strikes {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, count: 0 }
    }

    /// One more; whether it was one too many.
    pub(super) fn strike(&mut self, now: Instant) -> bool {
        if now.duration_since(self.since) > WITHIN {
            *self = Self::new(now);
        }
        self.count = self.count.saturating_add(1);
        self.count >= STRIKES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_within_ten_seconds_are_too_many() {
        let begun = Instant::now();
        let mut strikes = Strikes::new(begun);
        for _ in 0..19 {
            assert!(!strikes.strike(begun + Duration::from_secs(9)));
        }
        assert!(!strikes.strike(begun + Duration::from_secs(11)), "forgotten");
        for _ in 0..18 {
            assert!(!strikes.strike(begun + Duration::from_secs(12)));
        }
        assert!(strikes.strike(begun + Duration::from_secs(13)));
    }
}
