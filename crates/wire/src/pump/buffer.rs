//! One read buffer per worker thread, so that an idle stream holds none.

use std::cell::Cell;

/// Large enough that a busy stream pays for few system calls, small enough to stay in the processor's cache.
pub(super) const BUFFER_BYTES: usize = 64 * 1024;

thread_local! {
    static BUFFER: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// Lends this thread's buffer to `work`, which cannot wait while it has it.
#[inline]
pub(super) fn lend<R>(work: impl FnOnce(&mut [u8]) -> R) -> R {
    let mut buffer = BUFFER.take().unwrap_or_else(|| vec![0; BUFFER_BYTES].into_boxed_slice());
    let result = work(&mut buffer);
    BUFFER.set(Some(buffer));
    result
}
