//! The incomplete header at the end of a read.

use crate::header::HEADER_BYTES_MAX;

/// A header that is not all there yet: kept back until it can be judged whole.
#[derive(Debug, Default)]
pub(super) struct Held {
    bytes: [u8; HEADER_BYTES_MAX],
    len: u8,
}

impl Held {
    /// Keeps `rest`, which is shorter than the longest header.
    #[inline]
    pub(super) fn keep(&mut self, rest: &[u8]) {
        debug_assert!(rest.len() < HEADER_BYTES_MAX, "a scanner leaves only an incomplete header");
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
