//! The incomplete header at the end of a read.

use super::intercept::UNDECIDED_BYTES_MAX;

/// Bytes that are kept back at most: more than an incomplete header, for which it is one byte less.
pub(super) const HELD_BYTES_MAX: usize = UNDECIDED_BYTES_MAX;

/// A header that is not all there yet (and the head of a payload, if that decides): kept back until it can be
/// judged whole.
#[derive(Debug, Default)]
pub(super) struct Held {
    bytes: [u8; HELD_BYTES_MAX],
    len: u8,
}

impl Held {
    /// Keeps `rest`, and nothing else.
    #[inline]
    pub(super) fn keep(&mut self, rest: &[u8]) {
        debug_assert!(rest.len() <= HELD_BYTES_MAX, "a scanner leaves only an incomplete header");
        for (slot, byte) in self.bytes.iter_mut().zip(rest) {
            *slot = *byte;
        }
        self.len = u8::try_from(rest.len()).unwrap_or(0);
    }

    /// Puts what was kept at the start of `buffer`, where the next read goes on; says how many bytes it was.
    #[inline]
    pub(super) fn restore(&mut self, buffer: &mut [u8]) -> usize {
        let len = usize::from(self.len);
        if len > 0 {
            for (slot, byte) in buffer.iter_mut().zip(self.bytes).take(len) {
                *slot = byte;
            }
        }
        len
    }
}
