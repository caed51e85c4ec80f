//! The handle by which the rest of the program speaks to the agent of a running stream, and ends it.

use std::mem;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use crate::Close;
use crate::said::Said;

/// Somebody has asked for the end.
const CLOSING: u8 = 1;
/// Something waits to be said.
const SAID: u8 = 2;
/// Nothing can be said any more.
const OVER: u8 = 4;

/// Ends a running [`Pump`](crate::Pump) from outside, and puts words of our own between the upstream's messages;
/// clones share one stream. Costs nothing while unused.
#[derive(Debug, Clone, Default)]
pub struct Control {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// What the pump looks at, without a lock.
    flags: AtomicU8,
    requests: Mutex<Requests>,
}

#[derive(Debug, Default)]
struct Requests {
    close: Option<Close>,
    said: Said,
    pump: Option<Waker>,
}

impl Control {
    /// A handle for one stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the stream to end: the agent gets `close` at the next message boundary (within `close_grace`, else
    /// at a frame boundary; at once where the next frame is not covered by the [`Allowance`](crate::Allowance)),
    /// the upstream a masked 1000. The first request stands; true if this was it.
    pub fn close(&self, close: impl Into<Close>) -> bool {
        let mut requests = self.lock();
        if self.is_closing() {
            return false;
        }
        requests.close = Some(close.into());
        self.tell(requests, CLOSING);
        true
    }

    /// Whether somebody has asked this stream to end.
    #[inline]
    pub fn is_closing(&self) -> bool {
        self.has(CLOSING)
    }

    /// Gives the agent `text` as a message of its own between two messages of the upstream, in the order of the
    /// calls and before the close of a later [`Control::close`]. The upstream's bytes are the same around it.
    ///
    /// At most 16 texts and 64 KiB of them wait. False, and nothing is said, if that is full, if the end was asked
    /// for, or if the agent has had its Close. True is no promise: a stream may break before, and where the end
    /// comes inside a fragmented message there is no place for a text.
    pub fn say(&self, text: impl AsRef<str>) -> bool {
        let mut requests = self.lock();
        if self.has(CLOSING | OVER) || !requests.said.add(text.as_ref()) {
            return false;
        }
        self.tell(requests, SAID);
        true
    }

    /// Whether something waits to be said.
    #[inline]
    pub(crate) fn has_said(&self) -> bool {
        self.has(SAID)
    }

    /// Wakes `waker` at every request.
    pub(crate) fn register(&self, waker: &Waker) {
        self.lock().pump = Some(waker.clone());
    }

    /// The request to end, once.
    pub(crate) fn take(&self) -> Option<Close> {
        self.lock().close.take()
    }

    /// The frames that wait to be said, for the wire.
    pub(crate) fn take_said(&self) -> Vec<u8> {
        let mut requests = self.lock();
        self.shared.flags.fetch_and(!SAID, Ordering::AcqRel);
        mem::take(&mut requests.said).into_bytes()
    }

    /// Nothing can be said any more; what waited is dropped.
    pub(crate) fn hush(&self) {
        let mut requests = self.lock();
        self.shared.flags.fetch_or(OVER, Ordering::AcqRel);
        self.shared.flags.fetch_and(!SAID, Ordering::AcqRel);
        requests.said = Said::default();
    }

    #[inline]
    fn has(&self, flags: u8) -> bool {
        self.shared.flags.load(Ordering::Acquire) & flags != 0
    }

    fn tell(&self, requests: MutexGuard<'_, Requests>, flag: u8) {
        self.shared.flags.fetch_or(flag, Ordering::AcqRel);
        // A clone: a pump registers only when its task has changed.
        let pump = requests.pump.clone();
        drop(requests);
        if let Some(pump) = pump {
            pump.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Requests> {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn nothing_is_said_after_the_end_was_asked_for() {
        let control = Control::new();
        assert!(control.say("before"));
        assert!(control.close(CloseCode::Exhausted));
        assert!(!control.say("after"));
        assert!(control.has_said());
        assert_eq!(control.take_said(), b"\x81\x06before");
        assert!(!control.has_said());
    }

    #[test]
    fn nothing_is_said_to_an_agent_that_was_told_the_end() {
        let control = Control::new();
        assert!(control.say("too late"));
        control.hush();
        assert!(!control.has_said());
        assert_eq!(control.take_said(), b"");
        assert!(!control.say("later"));
    }
}
