//! Leases of one process, in memory.

use crate::Timestamp;
use std::collections::HashMap;

/// Leases at which those that are over are cleared away.
const CLEAR_AT: usize = 1_024;

/// Name -> (holder, until when).
#[derive(Debug, Default)]
pub(crate) struct Leases {
    held: HashMap<String, (String, Timestamp)>,
    clear_at: usize,
}

impl Leases {
    /// Takes or renews a lease; false while another holds it.
    pub(crate) fn take(&mut self, name: &str, holder: &str, until: Timestamp, now: Timestamp) -> bool {
        if self.held.get(name).is_some_and(|(other, until)| other != holder && *until > now) {
            return false;
        }
        self.held.insert(name.to_owned(), (holder.to_owned(), until));
        if self.held.len() > self.clear_at.max(CLEAR_AT) {
            self.held.retain(|_, (_, until)| *until > now);
            self.clear_at = self.held.len().saturating_mul(2);
        }
        true
    }

    /// Gives a lease back; whether it was `holder`'s.
    pub(crate) fn release(&mut self, name: &str, holder: &str) -> bool {
        let ours = self.held.get(name).is_some_and(|(owner, _)| owner == holder);
        if ours {
            self.held.remove(name);
        }
        ours
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn one_holder_at_a_time() {
        let mut leases = Leases::default();
        assert!(leases.take("settle", "a", at(10), at(0)));
        assert!(!leases.take("settle", "b", at(20), at(9)));
        assert!(leases.take("settle", "a", at(15), at(9)), "renewed");
        assert!(!leases.release("settle", "b") && leases.release("settle", "a"));
        assert!(leases.take("settle", "b", at(20), at(9)));
        assert!(leases.take("settle", "c", at(30), at(20)), "it had lapsed");
    }

    #[test]
    fn what_is_over_is_cleared_away() {
        let mut leases = Leases::default();
        for number in 0..10_000_u64 {
            assert!(leases.take(&format!("settle:{number}"), "a", at(number + 10), at(number)));
        }
        assert!(leases.held.len() <= CLEAR_AT + 1, "{}", leases.held.len());
    }
}
