//! What changed of payments, sessions and streams since their tables were last written: whoever has a command lays it
//! down, the readers see it.

use super::changes::{Changes, Sheet};
use crate::model::Payment;
use std::collections::BTreeSet;
use std::sync::Arc;
use tollwire_x402::{PaymentId, SessionId};

/// Layers over the tables. A copy is cheap and stays as it is.
#[derive(Debug, Clone, Default)]
pub(super) struct Recent {
    /// In the log, so a crash keeps it.
    logged: Arc<Changes>,
    /// Over that: on its way into the log.
    going: Arc<Changes>,
    /// Over that: what a crash forgets.
    unlogged: Changes,
    /// Payments of which something has happened that a crash would forget; and those of them that are on their way.
    unkept: BTreeSet<PaymentId>,
    being_kept: BTreeSet<PaymentId>,
}

impl Recent {
    /// What lies over a session's rows in the tables, the latest first.
    pub(super) fn over(&self, session: &SessionId) -> impl Iterator<Item = &Sheet> {
        self.latest_first().into_iter().filter_map(|layer| layer.of(session))
    }

    /// A payment's row over that in the tables.
    pub(super) fn payment(&self, id: &PaymentId) -> Option<&Payment> {
        self.latest_first().into_iter().find_map(|layer| layer.payment(id))
    }

    /// The layers, the latest first.
    pub(super) fn latest_first(&self) -> [&Changes; 3] {
        [&self.unlogged, &*self.going, &*self.logged]
    }

    /// Something happened of this payment that must not be forgotten.
    pub(super) fn must_keep(&mut self, payment: &PaymentId) {
        self.unkept.insert(payment.clone());
    }

    /// Whether what is seen of this payment could be forgotten, though it must not.
    pub(super) fn is_unkept(&self, payment: &PaymentId) -> bool {
        self.unkept.contains(payment) || self.being_kept.contains(payment)
    }

    /// Where a command lays down what it changes, and what lies below, the latest first.
    pub(super) fn layers(&mut self) -> (&mut Changes, [&Changes; 2]) {
        (&mut self.unlogged, [&self.going, &self.logged])
    }

    /// Sends on its way what the log does not have yet: also what did not arrive the last time.
    pub(super) fn set_out(&mut self) -> Arc<Changes> {
        if !self.unlogged.is_empty() {
            Arc::make_mut(&mut self.going).merge(std::mem::take(&mut self.unlogged));
        }
        self.being_kept.append(&mut self.unkept);
        Arc::clone(&self.going)
    }

    /// What set out is in the log, or in the tables and on the disk.
    pub(super) fn arrived(&mut self) {
        let going = Arc::unwrap_or_clone(std::mem::take(&mut self.going));
        Arc::make_mut(&mut self.logged).merge(going);
        self.being_kept.clear();
    }

    /// Everything is in the tables and on the disk.
    pub(super) fn kept(&mut self) {
        self.unkept.clear();
        self.being_kept.clear();
    }

    /// What is in the log.
    pub(super) fn logged(&self) -> Arc<Changes> {
        Arc::clone(&self.logged)
    }

    /// Whether the log lacks anything.
    pub(super) fn has_unlogged(&self) -> bool {
        !(self.unlogged.is_empty() && self.going.is_empty())
    }

    /// What is in the log is in the tables, too.
    pub(super) fn poured_logged(&mut self) {
        self.logged = Arc::default();
    }

    /// Everything is in the tables.
    pub(super) fn poured_all(&mut self) {
        (self.logged, self.going, self.unlogged) = Default::default();
    }

    /// A copy of all layers, as one.
    pub(super) fn all(&self) -> Changes {
        let mut all = Changes::clone(&self.logged);
        all.merge(Changes::clone(&self.going));
        all.merge(self.unlogged.clone());
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Stream;

    #[test]
    fn what_did_not_arrive_sets_out_again_and_the_latest_row_is_seen() {
        let session: SessionId = "7d444840-9dc0-4acd-b245-5ffdce74fad2".parse().unwrap();
        let stream: tollwire_x402::StreamId = "7d444840-9dc0-4acd-b245-5ffdce74fad3".parse().unwrap();
        let posted = |posted| {
            let mut changes = Changes::default();
            let row = Stream { posted, ..Stream::default() };
            changes.sheet(&session).streams.insert(stream.clone(), row);
            changes
        };
        let seen = |recent: &Recent| recent.over(&session).next().unwrap().streams[&stream].posted;
        let mut recent = Recent::default();
        recent.layers().0.merge(posted(1));
        assert_eq!(*recent.set_out(), posted(1));
        recent.layers().0.merge(posted(2));
        let before = recent.clone();
        assert_eq!(*recent.set_out(), posted(2));
        recent.arrived();
        assert!(recent.set_out().is_empty(), "it is there");
        recent.layers().0.merge(posted(3));
        assert_eq!((seen(&before), seen(&recent)), (2, 3));
        assert_eq!(recent.all(), posted(3));
    }
}
