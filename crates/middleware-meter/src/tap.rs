//! The counter between a provider's own send calls and the account.

use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;
use tollwire_meter::Gauge;

/// Lets through what is covered.
#[derive(Debug)]
pub(crate) struct Tap {
    state: Mutex<State>,
    /// Rings for whoever pays.
    payer: Notify,
    /// Rings for whoever sends.
    sender: Notify,
}

#[derive(Debug, Default)]
struct State {
    used: u64,
    granted: u64,
    until: Option<Instant>,
    waiting: Option<u64>,
    /// Whether it was told that the last unit granted has been used, or there is nothing of the kind to tell.
    used_up_told: bool,
}

impl State {
    fn runs(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }

    fn is_short(&self) -> bool {
        let used_up = !self.used_up_told && self.used >= self.granted;
        used_up || self.waiting.is_some_and(|need| need > self.granted || !self.runs())
    }
}

impl Tap {
    /// Counts on from what earlier openings of the stream used.
    pub(crate) fn new(before: u64) -> Self {
        let state = State { used: before, granted: before, used_up_told: true, ..State::default() };
        Self { state: Mutex::new(state), payer: Notify::new(), sender: Notify::new() }
    }

    /// Uses `cost` more units as soon as all of them are covered; 0 passes while the lease runs. Cancel safe.
    pub(crate) async fn pass(&self, cost: u64) {
        loop {
            let granted = self.sender.notified();
            tokio::pin!(granted);
            granted.as_mut().enable();
            if self.try_pass(cost) {
                return;
            }
            granted.await;
        }
    }

    fn try_pass(&self, cost: u64) -> bool {
        let mut state = self.lock();
        let need = state.used.saturating_add(cost);
        let passes = cost == 0 || (need <= state.granted && state.runs());
        if passes {
            state.used = need;
            state.waiting = None;
        } else {
            state.waiting = Some(need);
        }
        let short = state.is_short();
        drop(state);
        if short {
            self.payer.notify_one();
        }
        passes
    }

    /// Nobody waits any more.
    pub(crate) fn forget(&self) {
        self.lock().waiting = None;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gauge for Tap {
    fn used(&self) -> u64 {
        self.lock().used
    }

    fn needed(&self) -> Option<u64> {
        self.lock().waiting
    }

    fn grant(&self, to: u64, until: Instant) {
        let mut state = self.lock();
        let to = to.max(state.used);
        // What is taken back is not used up.
        state.used_up_told = to <= state.used || (state.used_up_told && to <= state.granted);
        state.granted = to;
        state.until = Some(until);
        drop(state);
        self.sender.notify_waiters();
    }

    async fn short(&self) {
        loop {
            let rung = self.payer.notified();
            {
                let mut state = self.lock();
                if state.is_short() {
                    state.used_up_told |= state.used >= state.granted;
                    return;
                }
            }
            rung.await;
        }
    }
}
