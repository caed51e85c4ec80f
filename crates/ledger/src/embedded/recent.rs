//! What changed of sessions and streams since their tables were last written: whoever has a command lays it down, the
//! readers see it.

use super::changes::{Changes, Sheet};
use std::sync::Arc;
use tollwire_x402::SessionId;

/// Layers over the tables. A copy is cheap and stays as it is.
#[derive(Debug, Clone, Default)]
pub(super) struct Recent {
    /// In the log, so a crash keeps it.
    logged: Arc<Changes>,
    /// Over that: on its way into the log.
    going: Arc<Changes>,
    /// Over that: what a crash forgets.
    unlogged: Changes,
}

impl Recent {
    /// What lies over a session's rows in the tables, the latest first.
    pub(super) fn over(&self, session: &SessionId) -> impl Iterator<Item = &Sheet> {
        [&self.unlogged, &*self.going, &*self.logged].into_iter().filter_map(|layer| layer.of(session))
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
        Arc::clone(&self.going)
    }

    /// What set out is in the log.
    pub(super) fn arrived(&mut self) {
        let going = Arc::unwrap_or_clone(std::mem::take(&mut self.going));
        Arc::make_mut(&mut self.logged).merge(going);
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
