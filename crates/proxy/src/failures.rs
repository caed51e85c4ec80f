//! How often opens of one session may fail before they charge: an open that costs nothing could otherwise be used
//! to knock on an upstream for ever.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tollwire_x402::SessionId;

/// Failures are counted over this long.
const WINDOW: Duration = Duration::from_mins(1);

/// The most sessions that are remembered; each has paid, so nobody fills this cheaply.
const SESSIONS_MAX: usize = 16_384;

/// Counts opens that failed, per session.
pub(crate) struct Failures {
    max: u32,
    counts: Mutex<HashMap<SessionId, Count>>,
}

struct Count {
    since: Instant,
    failed: u32,
}

impl Failures {
    /// At most `max` failures per session and minute.
    pub(crate) fn new(max: u32) -> Self {
        Self { max, counts: Mutex::default() }
    }

    /// Whether another open may be tried; else, how long not.
    pub(crate) fn check(&self, session: &SessionId) -> Result<(), Duration> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        match counts.get(session) {
            Some(count) if count.failed >= self.max => {
                let passed = count.since.elapsed();
                if passed < WINDOW { Err(WINDOW.saturating_sub(passed)) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    /// Notes one failure.
    pub(crate) fn note(&self, session: &SessionId) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if !counts.contains_key(session) && counts.len() >= SESSIONS_MAX {
            make_room(&mut counts);
        }
        let fresh = || Count { since: Instant::now(), failed: 0 };
        let count = counts.entry(session.clone()).or_insert_with(fresh);
        if count.since.elapsed() >= WINDOW {
            *count = fresh();
        }
        count.failed = count.failed.saturating_add(1);
    }
}

/// Forgets windows that are over, or, if none is, the oldest.
fn make_room(counts: &mut HashMap<SessionId, Count>) {
    counts.retain(|_, count| count.since.elapsed() < WINDOW);
    if counts.len() >= SESSIONS_MAX
        && let Some(oldest) = counts.iter().min_by_key(|(_, count)| count.since).map(|(id, _)| id.clone())
    {
        counts.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(n: usize) -> SessionId {
        format!("7d444840-9dc0-4acd-b245-{n:012}").parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_holds_for_a_minute_and_for_one_session() {
        let failures = Failures::new(2);
        failures.note(&session(1));
        assert_eq!(failures.check(&session(1)), Ok(()));
        tokio::time::advance(Duration::from_secs(20)).await;
        failures.note(&session(1));
        assert_eq!(failures.check(&session(1)), Err(Duration::from_secs(40)));
        assert_eq!(failures.check(&session(2)), Ok(()));
        tokio::time::advance(Duration::from_secs(40)).await;
        assert_eq!(failures.check(&session(1)), Ok(()));
        failures.note(&session(1));
        assert_eq!(failures.check(&session(1)), Ok(()), "a new window");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded() {
        let failures = Failures::new(1);
        for n in 0..SESSIONS_MAX {
            failures.note(&session(n));
            if n == 0 {
                tokio::time::advance(Duration::from_millis(1)).await;
            }
        }
        failures.note(&session(SESSIONS_MAX));
        assert_eq!(failures.counts.lock().unwrap().len(), SESSIONS_MAX);
        assert_eq!(failures.check(&session(0)), Ok(()), "the oldest is forgotten");
        assert!(failures.check(&session(SESSIONS_MAX)).is_err());
    }
}
