//! Random bytes for names of messages, which have to differ and are no secret: asked of the system for many at a time.

use super::error::Failed;
use std::cell::RefCell;
use tollwire_asp::Code;

/// Random bytes of one name.
const NAME_BYTES: usize = 10;

/// Names whose bytes are asked for together.
const NAMES: usize = 64;

thread_local! {
    /// Bytes that nobody has had yet.
    static LEFT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Bytes that nobody has had before.
pub(super) fn random() -> Result<[u8; NAME_BYTES], Failed> {
    LEFT.with_borrow_mut(|left| {
        if left.len() < NAME_BYTES {
            let mut fresh = vec![0; NAME_BYTES * NAMES];
            getrandom::fill(&mut fresh).map_err(|_| none())?;
            *left = fresh;
        }
        let at = left.len().saturating_sub(NAME_BYTES);
        left.split_off(at).try_into().map_err(|_| none())
    })
}

fn none() -> Failed {
    Failed::new(Code::InternalError, "no randomness")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_bytes_come_twice() {
        let all: HashSet<_> = (0..3 * NAMES).map(|_| random().unwrap()).collect();
        assert_eq!(all.len(), 3 * NAMES);
    }
}
