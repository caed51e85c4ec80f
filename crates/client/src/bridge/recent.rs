//! Names that were seen lately.

use std::collections::{HashSet, VecDeque};

/// How many are remembered.
const REMEMBERED: usize = 4_096;

/// The last few thousand names.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    known: HashSet<String>,
    order: VecDeque<String>,
}

impl Recent {
    /// Whether a name is remembered.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.known.contains(name)
    }

    /// Notes a name. Whether it is new.
    pub(crate) fn note(&mut self, name: &str) -> bool {
        if !self.known.insert(name.to_owned()) {
            return false;
        }
        self.order.push_back(name.to_owned());
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_new_once() {
        let mut recent = Recent::default();
        assert!(recent.note("a") && recent.knows("a") && !recent.note("a"));
        for number in 0..REMEMBERED {
            assert!(recent.note(&number.to_string()));
        }
        assert!(recent.note("a"), "forgotten by then");
        assert_eq!(recent.known.len(), REMEMBERED);
    }
}
