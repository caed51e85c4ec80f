//! The handle by which the rest of the program ends a running stream.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

use futures_util::task::AtomicWaker;

use crate::Close;

/// Ends a running [`Pump`](crate::Pump) from outside; clones share one stream. Costs nothing while unused.
#[derive(Debug, Clone, Default)]
pub struct Control {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    requested: AtomicBool,
    close: Mutex<Option<Close>>,
    waker: AtomicWaker,
}

impl Control {
    /// A handle for one stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the stream to end: the agent gets `close` at the next message boundary (within `close_grace`, else
    /// at a frame boundary), the upstream a masked 1000. The first request stands; true if this was it.
    pub fn close(&self, close: impl Into<Close>) -> bool {
        let mut slot = self.shared.close.lock().unwrap_or_else(PoisonError::into_inner);
        if self.shared.requested.load(Ordering::Acquire) {
            return false;
        }
        *slot = Some(close.into());
        self.shared.requested.store(true, Ordering::Release);
        drop(slot);
        self.shared.waker.wake();
        true
    }

    /// Whether somebody has asked this stream to end.
    #[inline]
    pub fn is_closing(&self) -> bool {
        self.shared.requested.load(Ordering::Acquire)
    }

    /// Wakes `waker` at the next request.
    pub(crate) fn register(&self, waker: &Waker) {
        self.shared.waker.register(waker);
    }

    /// The request, once.
    pub(crate) fn take(&self) -> Option<Close> {
        self.shared.close.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[cfg(test)]
mod tests {
    use tollwire_x402::close::CloseCode;

    use super::*;

    #[test]
    fn the_first_request_stands() {
        let control = Control::new();
        assert!(!control.is_closing());
        assert!(control.close(CloseCode::Exhausted));
        assert!(!control.clone().close(CloseCode::GoingAway));
        assert!(control.is_closing());
        assert_eq!(control.take().map(|close| close.code()), Some(4008));
        assert!(!control.close(CloseCode::GoingAway));
        assert_eq!(control.take(), None);
    }
}
