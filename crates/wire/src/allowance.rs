//! How much of a stream is paid for: shared by the pump, which uses it, and by whoever pays.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use tokio::time::Instant;

use crate::tally::Budget;
use crate::{FrameScanner, Scan, Side, Stop, Until};

/// What a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// A message: one unit at its first frame, one more for every started 64 KiB of payload after the first.
    Message,
    /// 1024 wire bytes of data frames, headers included, rounded up over the whole stream.
    Kib,
    /// Time: no frame counts, but nothing moves in either direction once the lease is over.
    Time,
}

/// Whose data frames count; control frames never do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Counted {
    /// What the upstream sends to the agent.
    #[default]
    Down,
    /// What the agent sends to the upstream.
    Up,
    /// Both, into one count.
    Both,
}

/// How much of one stream may be used, and for how long; clones share it.
///
/// All numbers are units, cumulative over the stream. Before the first byte of a counted data frame is passed on,
/// the whole cost of the frame must be granted and the lease must run; otherwise the frame, and all that its side
/// sends after it, waits. A frame that has begun goes on to its end, except that under [`Measure::Time`] even it
/// pauses at the end of the lease (and is finished when a close waits for it).
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// use std::time::Duration;
/// use tokio::time::Instant;
/// use tollwire_wire::{Allowance, Counted, Measure};
/// let allowance = Allowance::new(Measure::Message, Counted::Down);
/// allowance.grant(100, Instant::now() + Duration::from_secs(5));
/// assert_eq!((allowance.used(), allowance.needed()), (0, None));
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct Allowance {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    measure: Measure,
    counted: Counted,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    budget: Budget,
    /// When the lease ends; without one it is over.
    until: Option<Instant>,
    /// What a frame of the agent, and of the upstream, waits for.
    waiting: [Option<u64>; 2],
    /// Whether it was told that the last unit granted has been used, or there is nothing of the kind to tell.
    used_up_told: bool,
    pump: Option<Waker>,
    payer: Option<Waker>,
}

impl Allowance {
    /// Nothing is allowed yet.
    pub fn new(measure: Measure, counted: Counted) -> Self {
        let state = State {
            budget: Budget::new(measure),
            until: None,
            waiting: [None; 2],
            used_up_told: true,
            pump: None,
            payer: None,
        };
        Self { shared: Arc::new(Shared { measure, counted, state: Mutex::new(state) }) }
    }

    /// Units up to `to` may be used until the lease ends at `until`, and the pump goes on. It replaces the grant
    /// before it and may be smaller: less than what is used counts as that, and once this has returned nothing
    /// beyond it will be used.
    pub fn grant(&self, to: u64, until: Instant) {
        let mut state = self.lock();
        let before = state.budget.granted();
        state.budget.grant(to);
        // What is taken back is not used up.
        state.used_up_told = to <= state.budget.used() || (state.used_up_told && to <= before);
        state.until = Some(until);
        // A clone: a pump registers only when its task has changed.
        let pump = state.pump.clone();
        let payer = if state.is_short(self.shared.measure) { state.payer.take() } else { None };
        drop(state);
        wake(pump);
        wake(payer);
    }

    /// Units used so far.
    pub fn used(&self) -> u64 {
        self.lock().budget.used()
    }

    /// What must be granted before the frame that waits can pass; where one waits in each direction, the cheaper.
    /// No more than is granted if it waits only because the lease is over. `None` if no frame waits, and always
    /// for [`Measure::Time`].
    pub fn needed(&self) -> Option<u64> {
        let state = self.lock();
        state.needed().filter(|_| self.shared.measure != Measure::Time)
    }

    /// Resolves when the stream cannot go on: something waits for more than is granted, or waits although it is
    /// granted because the lease is over: again and again while that is so. Or when the last unit granted has been used,
    /// before anything waits for more: once for each grant of more than was used. One task waits at a time.
    pub async fn short(&self) {
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.is_short(self.shared.measure) {
                state.used_up_told |= state.budget.used() >= state.budget.granted();
                state.payer = None;
                return Poll::Ready(());
            }
            state.payer = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Whether frames of `side` are counted, or held up at the end of the lease.
    pub(crate) fn concerns(&self, side: Side) -> bool {
        match (self.shared.measure, self.shared.counted) {
            (Measure::Time, _) | (_, Counted::Both) => true,
            (_, Counted::Down) => side == Side::Upstream,
            (_, Counted::Up) => side == Side::Agent,
        }
    }

    /// Wakes `waker` at every grant.
    pub(crate) fn register(&self, waker: &Waker) {
        self.lock().pump = Some(waker.clone());
    }

    /// Scans `bytes` of `side` as far as they are covered.
    #[inline]
    pub(crate) fn scan(&self, side: Side, scanner: &mut FrameScanner, bytes: &[u8], until: Until) -> Scan {
        let now = Instant::now();
        let mut state = self.lock();
        let live = state.runs(now);
        state.budget.set_live(live);
        let scan = scanner.scan_within(bytes, until, &mut state.budget);
        let need = (scan.stop == Stop::Uncovered).then(|| state.budget.need());
        self.note(state, side, need);
        scan
    }

    /// Whether a frame of `side` must pause in its middle, because nothing moves without a lease.
    pub(crate) fn pauses(&self, side: Side) -> bool {
        if self.shared.measure != Measure::Time {
            return false;
        }
        let state = self.lock();
        let over = !state.runs(Instant::now());
        let need = over.then(|| state.budget.used());
        self.note(state, side, need);
        over
    }

    /// Nothing of `side` waits any more.
    pub(crate) fn forget(&self, side: Side) {
        self.note(self.lock(), side, None);
    }

    /// Notes what a frame of `side` waits for, and tells the payer if that is more than there is.
    #[inline]
    fn note(&self, mut state: MutexGuard<'_, State>, side: Side, need: Option<u64>) {
        let [agent, upstream] = &mut state.waiting;
        *match side {
            Side::Agent => agent,
            Side::Upstream => upstream,
        } = need;
        if state.payer.is_some() && state.is_short(self.shared.measure) {
            let payer = state.payer.take();
            drop(state);
            wake(payer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn runs(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// Frames of the other direction may have been paid for since one began to wait.
    fn needed(&self) -> Option<u64> {
        self.waiting.iter().flatten().min().map(|need| (*need).max(self.budget.used()))
    }

    fn is_short(&self, measure: Measure) -> bool {
        let (granted, used) = (self.budget.granted(), self.budget.used());
        let used_up = measure != Measure::Time && !self.used_up_told && used >= granted;
        used_up || self.needed().is_some_and(|need| need > granted || !self.runs(Instant::now()))
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
