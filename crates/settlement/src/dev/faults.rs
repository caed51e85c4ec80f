//! What a test may do to the dev chain: everything that real chains, nodes and strangers do.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What happens to one broadcast instead of the ordinary thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BroadcastFault {
    /// The transaction is mined, but the node's answer is lost.
    ReplyLost,
    /// The node accepts the transaction and forgets it; sent again, it is mined.
    Dropped,
    /// The node accepts the transaction and forgets it, and will never mine this one, as if another transaction had
    /// taken its account nonce.
    Void,
    /// The node refuses it: its account nonce went to another transaction. It is never mined.
    Superseded,
    /// The node refuses to answer, and nothing is sent.
    Unsent,
    /// Somebody else submits the same authorization first; ours is mined and reverts.
    Stolen,
    /// The payer cancels the authorization first; ours is mined and reverts.
    Cancelled,
    /// Mined, but nobody can see it for this long.
    ReceiptAfter(Duration),
}

/// Scripted faults of a [`DevChain`](super::DevChain). None by default.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Script>);

#[derive(Debug, Default)]
struct Script {
    broadcasts: VecDeque<Option<BroadcastFault>>,
    down: bool,
    failing_calls: u32,
    blind_looks: u32,
    delay: Duration,
    final_block: Option<u64>,
}

impl Faults {
    /// Scripts the next broadcast not yet scripted.
    pub fn next_broadcast(&self, fault: BroadcastFault) {
        self.script().broadcasts.push_back(Some(fault));
    }

    /// Leaves the next broadcast not yet scripted as it is.
    pub fn next_broadcast_works(&self) {
        self.script().broadcasts.push_back(None);
    }

    /// While true, the node answers nothing.
    pub fn set_down(&self, down: bool) {
        self.script().down = down;
    }

    /// The next `calls` to the node fail.
    pub fn fail_calls(&self, calls: u32) {
        self.script().failing_calls = calls;
    }

    /// In the next `looks` the node swears that it knows nothing of the payment.
    pub fn blind(&self, looks: u32) {
        self.script().blind_looks = looks;
    }

    /// Every call to the node takes this long.
    pub fn slow(&self, delay: Duration) {
        self.script().delay = delay;
    }

    /// Blocks above this one could still be taken away by a reorganisation.
    pub fn final_up_to(&self, block: u64) {
        self.script().final_block = Some(block);
    }

    /// Ends every fault.
    pub fn heal(&self) {
        *self.script() = Script::default();
    }

    /// The newest block that stays, if that was scripted.
    pub(super) fn final_block(&self) -> Option<u64> {
        self.script().final_block
    }

    /// How long this call takes.
    pub(super) fn delay(&self) -> Duration {
        self.script().delay
    }

    /// Whether this call goes unanswered.
    pub(super) fn unanswered(&self) -> bool {
        let mut script = self.script();
        let failing = script.failing_calls > 0;
        script.failing_calls = script.failing_calls.saturating_sub(1);
        script.down || failing
    }

    /// Whether this look sees nothing.
    pub(super) fn sees_nothing(&self) -> bool {
        let mut script = self.script();
        let blind = script.blind_looks > 0;
        script.blind_looks = script.blind_looks.saturating_sub(1);
        blind
    }

    /// What happens to this broadcast.
    pub(super) fn broadcast(&self) -> Option<BroadcastFault> {
        self.script().broadcasts.pop_front().flatten()
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
