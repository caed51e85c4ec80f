//! What changed of sessions and streams since their tables were last written: the writer lays it down, the readers see it.

use super::changes::{Changes, Sheet};
use tollwire_x402::SessionId;

/// Two layers over the tables.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// In the log, so a crash keeps it.
    logged: Changes,
    /// Over that: what a crash may forget, and the log does not have yet.
    forgettable: Changes,
}

impl Recent {
    /// What lies over a session's rows in the tables, the latest first.
    pub(super) fn over(&self, session: &SessionId) -> impl Iterator<Item = &Sheet> {
        [self.forgettable.of(session), self.logged.of(session)].into_iter().flatten()
    }

    /// What is not in the log yet.
    pub(super) fn forgettable(&self) -> &Changes {
        &self.forgettable
    }

    /// Lays down what a crash may forget.
    pub(super) fn lay(&mut self, changes: Changes) {
        self.forgettable.merge(changes);
    }

    /// Lays down what the log has now, with all that it did not have before.
    pub(super) fn lay_logged(&mut self, changes: Changes) {
        self.logged.merge(std::mem::take(&mut self.forgettable));
        self.logged.merge(changes);
    }

    /// A copy of both layers, as one.
    pub(super) fn all(&self) -> Changes {
        let mut all = self.logged.clone();
        all.merge(self.forgettable.clone());
        all
    }
}
