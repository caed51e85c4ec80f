//! Which stream tokens have been used: each admits once.

use crate::VerifyError;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use tollwire_session::StreamClaims;
use tollwire_x402::{SessionId, StreamId};

/// One opening of one stream. Agents choose stream ids, so they mean something only within a session.
type Opening = (SessionId, StreamId, u64);

/// Remembers openings for at least as long as their tokens are good.
///
/// Two generations that change places every `period`; each holds at most `max` openings. When one is full, openings
/// are refused rather than forgotten.
#[derive(Debug)]
pub(crate) struct Replays {
    period_secs: u64,
    max: usize,
    generations: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    began: u64,
    young: HashSet<Opening>,
    old: HashSet<Opening>,
}

impl Replays {
    /// `period_secs` is the longest time from a token's first acceptance to its end.
    pub(crate) fn new(period_secs: u64, max: usize) -> Self {
        Self { period_secs, max, generations: Mutex::default() }
    }

    /// Admits an opening if it is the first.
    pub(crate) fn admit(&self, claims: &StreamClaims, now: u64) -> Result<(), VerifyError> {
        let opening = (claims.jti.clone(), claims.stream.clone(), claims.fence);
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.turn(now, self.period_secs);
        if generations.young.contains(&opening) || generations.old.contains(&opening) {
            return Err(VerifyError::Replayed);
        }
        if generations.young.len() >= self.max {
            return Err(VerifyError::Busy);
        }
        generations.young.insert(opening);
        Ok(())
    }
}

impl Generations {
    fn turn(&mut self, now: u64, period_secs: u64) {
        let age = now.saturating_sub(self.began);
        if age < period_secs {
            return;
        }
        let young = std::mem::take(&mut self.young);
        self.old = if age < period_secs.saturating_mul(2) { young } else { HashSet::new() };
        self.began = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(fence: u64) -> StreamClaims {
        StreamClaims {
            iss: String::new(),
            aud: String::new(),
            sub: String::new(),
            jti: "7d444840-9dc0-4acd-b245-5ffdce74fad2".parse().unwrap(),
            stream: "0123456789abcdef".parse().unwrap(),
            fence,
            feed: "ticks".parse().unwrap(),
            iat: 0,
            exp: 60,
        }
    }

    #[test]
    fn an_opening_is_admitted_once_for_as_long_as_its_token_lives() {
        let replays = Replays::new(120, 10);
        for now in [1000, 1001, 1119, 1120, 1239] {
            let expected = if now == 1000 { Ok(()) } else { Err(VerifyError::Replayed) };
            assert_eq!(replays.admit(&claims(1), now), expected, "{now}");
        }
        assert_eq!(replays.admit(&claims(2), 1239), Ok(()), "another opening of the stream");
        assert_eq!(replays.admit(&claims(1), 1240), Ok(()), "long after its token's end");
        assert_eq!(replays.admit(&claims(2), 10_000), Ok(()), "after a long pause");
    }

    #[test]
    fn memory_is_bounded_and_fails_closed() {
        let replays = Replays::new(120, 3);
        for fence in 0..3 {
            assert_eq!(replays.admit(&claims(fence), 1000), Ok(()));
        }
        assert_eq!(replays.admit(&claims(3), 1001), Err(VerifyError::Busy));
        assert_eq!(replays.admit(&claims(0), 1001), Err(VerifyError::Replayed));
        assert_eq!(replays.admit(&claims(3), 1120), Ok(()));
    }
}
