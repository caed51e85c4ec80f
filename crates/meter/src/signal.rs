//! What one live stream is told from outside.

use futures_util::task::AtomicWaker;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use tollwire_x402::close::CloseCode;

/// Wakes the one task that keeps a stream's account.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    close: Mutex<Option<CloseCode>>,
    recall: AtomicBool,
    look: AtomicBool,
    waker: AtomicWaker,
}

/// What a stream is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// End, with this code.
    Close(CloseCode),
    /// Give back what is not needed: another stream is short.
    Recall,
    /// The balance has changed: ask the ledger.
    Look,
}

impl Signal {
    /// Ends the stream; the first code stands. True if this was it.
    pub(crate) fn close(&self, code: CloseCode) -> bool {
        let mut slot = self.close.lock().unwrap_or_else(PoisonError::into_inner);
        let first = slot.is_none();
        slot.get_or_insert(code);
        drop(slot);
        self.waker.wake();
        first
    }

    pub(crate) fn recall(&self) {
        self.recall.store(true, Ordering::Release);
        self.waker.wake();
    }

    pub(crate) fn look(&self) {
        self.look.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Waits for the next word. A close is said again and again.
    pub(crate) async fn told(&self) -> Told {
        poll_fn(|cx| {
            self.waker.register(cx.waker());
            if let Some(code) = *self.close.lock().unwrap_or_else(PoisonError::into_inner) {
                return Poll::Ready(Told::Close(code));
            }
            if self.recall.swap(false, Ordering::AcqRel) {
                return Poll::Ready(Told::Recall);
            }
            if self.look.swap(false, Ordering::AcqRel) {
                return Poll::Ready(Told::Look);
            }
            Poll::Pending
        })
        .await
    }
}
