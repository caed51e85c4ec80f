//! The one timer of a stream: armed only while a limit needs it, moved as seldom as possible.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::ending::Ending;
use super::lane::Lane;
use crate::{Limits, Side};

/// What the time has come for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing after all.
    Nothing,
    /// A waiting Close takes the end of any frame.
    Boundary,
    /// This side has taken no bytes for too long.
    Stalled(Side),
    /// Nothing has come from either side for too long.
    Idle,
    /// The last words have had their time.
    End,
}

#[derive(Debug, Default)]
pub(super) struct Clock {
    /// Fires no later than the next limit; where limits have moved on meanwhile, it fires for nothing once.
    timer: Option<Pin<Box<Sleep>>>,
    quiet: Quiet,
}

/// How long nothing has moved, in looks a quarter of the idle limit apart: no clock is read per chunk.
#[derive(Debug, Default)]
struct Quiet {
    next_look: Option<Instant>,
    looks: u8,
    bytes: u64,
}

/// Looks without a byte that make a stream idle.
const QUIET_LOOKS: u8 = 4;

impl Clock {
    /// What is due; pending, with the task to be woken in time, if nothing is.
    #[inline]
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        started: Instant,
        limits: &Limits,
        ending: &Ending,
        lanes: [&Lane; 2],
    ) -> Poll<Due> {
        if let (Some(idle), None) = (limits.idle, self.quiet.next_look) {
            self.quiet.next_look = Some(started + quarter(idle));
        }
        let Some(next) = self.next(limits, ending, lanes) else {
            if self.timer.as_ref().is_some_and(|timer| timer.is_elapsed()) {
                self.timer = None;
            }
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(next)));
        if timer.deadline() > next {
            timer.as_mut().reset(next);
        }
        ready!(timer.as_mut().poll(cx));
        self.timer = None;
        Poll::Ready(self.due(Instant::now(), limits, ending, lanes))
    }

    /// The earliest moment at which something may be due.
    fn next(&self, limits: &Limits, ending: &Ending, lanes: [&Lane; 2]) -> Option<Instant> {
        if let Some(deadline) = ending.deadline() {
            return Some(ending.grace().map_or(deadline, |grace| grace.min(deadline)));
        }
        let stalls = lanes.map(|lane| lane.outlet.blocked_since().map(|since| since + limits.stall));
        stalls.into_iter().chain([self.quiet.next_look]).flatten().min()
    }

    fn due(&mut self, now: Instant, limits: &Limits, ending: &Ending, lanes: [&Lane; 2]) -> Due {
        if let Some(deadline) = ending.deadline() {
            return match ending.grace() {
                _ if deadline <= now => Due::End,
                Some(grace) if grace <= now => Due::Boundary,
                _ => Due::Nothing,
            };
        }
        let [up, down] = lanes;
        let stalled =
            |lane: &Lane| lane.outlet.blocked_since().is_some_and(|since| since + limits.stall <= now);
        if stalled(down) {
            return Due::Stalled(Side::Agent);
        }
        if stalled(up) {
            return Due::Stalled(Side::Upstream);
        }
        match limits.idle {
            Some(idle) if self.quiet.look(now, quarter(idle), up.bytes() + down.bytes()) => Due::Idle,
            _ => Due::Nothing,
        }
    }
}

impl Quiet {
    /// Whether this look, if it is time for one, is the last that an idle stream gets.
    fn look(&mut self, now: Instant, every: Duration, bytes: u64) -> bool {
        if self.next_look.is_some_and(|next| now < next) {
            return false;
        }
        self.next_look = Some(now + every);
        self.looks = if bytes == self.bytes { self.looks + 1 } else { 0 };
        self.bytes = bytes;
        self.looks >= QUIET_LOOKS
    }
}

/// The time between two looks for an idle limit.
fn quarter(idle: Duration) -> Duration {
    (idle / u32::from(QUIET_LOOKS)).max(Duration::from_millis(1))
}
