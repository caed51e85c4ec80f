//! What a connection has said, on its way from the reader to whoever deals with it. Small while nothing is on its way: a
//! connection that idles costs little more than its socket.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use tokio::sync::Notify;

/// The reader's end.
pub(crate) struct Intake<T>(Arc<Shared<T>>);

/// The other end.
pub(crate) struct Waiting<T>(Arc<Shared<T>>);

struct Shared<T> {
    state: Mutex<State<T>>,
    /// Frames that may wait.
    max: usize,
    /// Something was said, or the reader is gone.
    came: Notify,
    /// There is room again, or nobody left to need it.
    room: Notify,
    /// All is dealt with, or nobody left to do so.
    idle: Notify,
}

struct State<T> {
    /// Boxed: what a burst needs stays with its connection.
    frames: VecDeque<Box<T>>,
    /// Those that were read and not dealt with yet.
    pending: usize,
    reader: bool,
    worker: bool,
}

/// Both ends, with room for so many.
pub(crate) fn intake<T>(max: usize) -> (Intake<T>, Waiting<T>) {
    let state = State { frames: VecDeque::new(), pending: 0, reader: true, worker: true };
    let shared = Arc::new(Shared {
        state: Mutex::new(state),
        max,
        came: Notify::new(),
        room: Notify::new(),
        idle: Notify::new(),
    });
    (Intake(Arc::clone(&shared)), Waiting(shared))
}

impl<T> Shared<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_room(&self) -> bool {
        let state = self.state();
        !state.worker || state.frames.len() < self.max
    }

    fn is_idle(&self) -> bool {
        let state = self.state();
        !state.worker || state.pending == 0
    }

    /// The next frame; `None` if there will be none, and not ready if it has yet to come.
    fn pop(&self) -> Poll<Option<Box<T>>> {
        let mut state = self.state();
        let frame = state.frames.pop_front();
        let (was_full, over) = (state.frames.len().saturating_add(1) == self.max, !state.reader);
        drop(state);
        if frame.is_some() && was_full {
            self.room.notify_one();
        }
        if frame.is_some() || over { Poll::Ready(frame) } else { Poll::Pending }
    }
}

impl<T> Intake<T> {
    /// Hands on what was said; [`ready`](Self::ready) must have said that there is room.
    pub(crate) fn put(&self, frame: T) {
        let mut state = self.0.state();
        if !state.worker || state.frames.len() >= self.0.max {
            drop(state);
            tracing::error!("a frame came in before there was room for it");
            return;
        }
        state.pending = state.pending.saturating_add(1);
        state.frames.push_back(Box::new(frame));
        drop(state);
        self.0.came.notify_one();
    }

    /// Waits until there is room for another. For one caller at a time.
    pub(crate) async fn ready(&self) {
        while !self.0.has_room() {
            self.0.room.notified().await;
        }
    }

    /// Waits until all is dealt with, as far as it ever will be. For one caller at a time.
    pub(crate) async fn dealt_with(&self) {
        while !self.0.is_idle() {
            self.0.idle.notified().await;
        }
    }
}

impl<T> Drop for Intake<T> {
    fn drop(&mut self) {
        self.0.state().reader = false;
        self.0.came.notify_one();
    }
}

impl<T> Waiting<T> {
    /// The next one; `None` once the reader is gone. It has to be [`done`](Self::done).
    pub(crate) async fn one(&mut self) -> Option<T> {
        loop {
            if let Poll::Ready(next) = self.0.pop() {
                return next.map(|frame| *frame);
            }
            self.0.came.notified().await;
        }
    }

    /// The next ones, at most `max` and at least one; none once the reader is gone. Each has to be [`done`](Self::done).
    pub(crate) async fn next(&mut self, max: usize) -> Vec<T> {
        let mut all = Vec::new();
        all.extend(self.one().await);
        while !all.is_empty() && all.len() < max {
            let Poll::Ready(Some(frame)) = self.0.pop() else { break };
            all.push(*frame);
        }
        all
    }

    /// So many are dealt with.
    pub(crate) fn done(&self, count: usize) {
        let mut state = self.0.state();
        state.pending = state.pending.saturating_sub(count);
        let idle = state.pending == 0;
        drop(state);
        if idle {
            self.0.idle.notify_one();
        }
    }
}

impl<T> Drop for Waiting<T> {
    fn drop(&mut self) {
        self.0.state().worker = false;
        self.0.room.notify_one();
        self.0.idle.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[tokio::test]
    async fn there_is_room_for_so_many_and_then_again() {
        let (intake, mut waiting) = intake(2);
        for frame in 1..=2 {
            assert!(intake.ready().now_or_never().is_some());
            intake.put(frame);
        }
        let mut ready = std::pin::pin!(intake.ready());
        assert!(ready.as_mut().now_or_never().is_none());
        assert_eq!(waiting.one().await, Some(1));
        ready.await;
        intake.put(3);
        assert_eq!(waiting.next(9).await, [2, 3], "in the order in which they were said");
        assert!(waiting.next(9).now_or_never().is_none());
    }

    #[tokio::test]
    async fn what_was_said_is_dealt_with_after_its_reader_is_gone() {
        let (intake, mut waiting) = intake(9);
        (1..=3).for_each(|frame| intake.put(frame));
        assert_eq!(waiting.next(2).await, [1, 2]);
        waiting.done(2);
        assert!(intake.dealt_with().now_or_never().is_none());
        drop(intake);
        assert_eq!(waiting.one().await, Some(3));
        assert_eq!((waiting.one().await, waiting.next(9).await), (None, vec![]));
    }

    #[tokio::test]
    async fn nobody_waits_for_a_worker_that_is_gone() {
        let (intake, waiting) = intake(1);
        intake.put(1);
        let (ready, idle) = (intake.ready(), intake.dealt_with());
        let both = async { tokio::join!(ready, idle) };
        let mut both = std::pin::pin!(both);
        assert!(both.as_mut().now_or_never().is_none());
        drop(waiting);
        assert!(both.now_or_never().is_some());
    }
}
