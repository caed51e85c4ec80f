//! What a connection has said, on its way from the reader to whoever deals with it.

use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// The reader's end.
pub(crate) struct Intake<T> {
    /// Boxed: a channel takes room for many at once, on every connection.
    frames: mpsc::Sender<Box<T>>,
    /// Those that were read and not dealt with yet.
    pending: Arc<watch::Sender<usize>>,
}

/// The other end.
pub(crate) struct Waiting<T> {
    frames: mpsc::Receiver<Box<T>>,
    pending: Arc<watch::Sender<usize>>,
}

/// Both ends, with room for so many.
pub(crate) fn intake<T>(max: usize) -> (Intake<T>, Waiting<T>) {
    let (sender, receiver) = mpsc::channel(max);
    let pending = Arc::new(watch::Sender::new(0));
    (Intake { frames: sender, pending: Arc::clone(&pending) }, Waiting { frames: receiver, pending })
}

impl<T> Intake<T> {
    /// Hands on what was said; [`ready`](Self::ready) must have said that there is room.
    pub(crate) fn put(&self, frame: T) {
        self.pending.send_modify(|pending| *pending = pending.saturating_add(1));
        if self.frames.try_send(Box::new(frame)).is_err() {
            tracing::error!("a frame came in before there was room for it");
        }
    }

    /// Waits until there is room for another.
    pub(crate) async fn ready(&self) {
        drop(self.frames.reserve().await);
    }

    /// Waits until all is dealt with.
    pub(crate) async fn dealt_with(&self) {
        let mut pending = self.pending.subscribe();
        // The sender lives as long as this, so the wait ends with a number.
        drop(pending.wait_for(|pending| *pending == 0).await);
    }
}

impl<T> Waiting<T> {
    /// The next ones, at most `max`; none once the reader is gone. Each has to be [`done`](Self::done).
    pub(crate) async fn next(&mut self, max: usize) -> Vec<Box<T>> {
        let mut next = Vec::new();
        self.frames.recv_many(&mut next, max).await;
        next
    }

    /// So many are dealt with.
    pub(crate) fn done(&self, count: usize) {
        self.pending.send_modify(|pending| *pending = pending.saturating_sub(count));
    }
}
