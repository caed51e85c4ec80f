//! Heartbeats: when one is due, and when too many were not answered. Pure; the time is passed in.

use std::time::Duration;
use tokio::time::Instant;

/// So many pongs that do not come end a connection.
const MISSED_MAX: u32 = 3;

/// The heartbeats of one connection.
#[derive(Debug)]
pub(crate) struct Beat {
    every: Duration,
    wait: Duration,
    next: Instant,
    /// Until when the last one has to be answered.
    answer: Option<Instant>,
    missed: u32,
}

/// What has to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing yet.
    Nothing,
    /// Send one.
    Send,
    /// Close.
    Lost,
}

impl Beat {
    pub(crate) fn new(every: Duration, wait: Duration, now: Instant) -> Self {
        Self { every, wait, next: now + every, answer: None, missed: 0 }
    }

    /// When to look again.
    pub(crate) fn at(&self) -> Instant {
        self.answer.map_or(self.next, |answer| answer.min(self.next))
    }

    /// What has to be done now.
    pub(crate) fn due(&mut self, now: Instant) -> Due {
        if self.answer.is_some_and(|answer| answer <= now) {
            self.answer = None;
            self.missed = self.missed.saturating_add(1);
            if self.missed >= MISSED_MAX {
                return Due::Lost;
            }
        }
        if self.next > now {
            return Due::Nothing;
        }
        self.next = now + self.every;
        self.answer = Some(now + self.wait);
        Due::Send
    }

    /// A pong has come.
    pub(crate) const fn pong(&mut self) {
        self.answer = None;
        self.missed = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn three_missed_pongs_are_a_hundred_seconds() {
        let begun = Instant::now();
        let mut beat = Beat::new(SECOND * 30, SECOND * 10, begun);
        let mut happened = Vec::new();
        for second in 0..=200 {
            match beat.due(begun + SECOND * second) {
                Due::Nothing => {}
                Due::Send => happened.push((second, "heartbeat")),
                Due::Lost => {
                    happened.push((second, "lost"));
                    break;
                }
            }
        }
        assert_eq!(happened, [(30, "heartbeat"), (60, "heartbeat"), (90, "heartbeat"), (100, "lost")]);
    }

    #[test]
    fn a_pong_in_time_begins_the_count_anew() {
        let begun = Instant::now();
        let mut beat = Beat::new(SECOND * 30, SECOND * 10, begun);
        for second in 0..=1_000 {
            let due = beat.due(begun + SECOND * second);
            assert_ne!(due, Due::Lost, "{second}");
            if second % 90 == 5 {
                beat.pong();
            }
        }
    }
}
