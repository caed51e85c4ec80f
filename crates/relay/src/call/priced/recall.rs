//! Taking a paid call back, for as long as nothing is settled.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio_util::sync::CancellationToken;

const OPEN: u8 = 0;
const CANCELLED: u8 = 1;
const CLOSED: u8 = 2;

/// Whether a call is taken back or settled: one of the two, whoever is first.
#[derive(Debug, Default)]
pub(super) struct Decision {
    state: AtomicU8,
    told: CancellationToken,
}

/// One caller's hold on the decision; callers with the same payment share it.
#[derive(Debug, Default)]
pub(in crate::call) struct Recall {
    own: Arc<Decision>,
    joined: OnceLock<Arc<Decision>>,
}

impl Decision {
    /// Takes the call back, if it is not too late.
    fn cancel(&self) -> bool {
        let was = self.state.compare_exchange(OPEN, CANCELLED, Ordering::AcqRel, Ordering::Acquire);
        let cancelled = !matches!(was, Err(CLOSED));
        if cancelled {
            self.told.cancel();
        }
        cancelled
    }

    /// From now on it is too late; `false` if it was taken back before.
    pub(super) fn close(&self) -> bool {
        let was = self.state.compare_exchange(OPEN, CLOSED, Ordering::AcqRel, Ordering::Acquire);
        !matches!(was, Err(CANCELLED))
    }

    /// Resolves when the call is taken back.
    pub(super) async fn cancelled(&self) {
        self.told.cancelled().await;
    }
}

impl Recall {
    /// Takes the call back; `false` if its payment may be settled, or somebody else makes the call.
    pub(in crate::call) fn cancel(&self) -> bool {
        self.joined.get().unwrap_or(&self.own).cancel()
    }

    /// From now on it is too late; `false` if it was taken back before.
    pub(in crate::call) fn close(&self) -> bool {
        self.own.close()
    }

    /// The decision of the call that this caller begins.
    pub(super) fn begin(&self) -> Arc<Decision> {
        Arc::clone(&self.own)
    }

    /// Takes part in the decision of a call that was begun before.
    pub(super) fn join(&self, decision: &Arc<Decision>) {
        let _first_only = self.joined.set(Arc::clone(decision));
        if !self.own.close() {
            decision.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_taken_back_or_settled_and_never_both() {
        let first = Recall::default();
        let decision = first.begin();
        assert!(first.cancel() && first.cancel());
        assert!(!decision.close());
        let second = Recall::default();
        assert!(second.begin().close());
        assert!(!second.cancel());
    }

    #[test]
    fn whoever_joins_decides_for_all() {
        let (leader, follower, late) = (Recall::default(), Recall::default(), Recall::default());
        let decision = leader.begin();
        follower.join(&decision);
        assert!(follower.cancel());
        assert!(!decision.close());
        let other = Recall::default();
        assert!(late.cancel(), "before it was known whose call it is");
        late.join(&other.begin());
        assert!(!other.begin().close());
    }
}
