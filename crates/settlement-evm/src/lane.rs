//! What we remember of one account's nonces: how far we have come, and what we sent there.
//!
//! A nonce is never reserved. It counts as used once the node has taken the transaction; one that never got there
//! leaves its nonce to the next. So the only gap there can be is one that the node made, by forgetting a transaction
//! that it had taken: that one is sent again, before anything is put behind the gap.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long we believe our own count of broadcast transactions more than the node's: nodes behind one URL may lag
/// behind each other. After that, transactions it does not know of are lost, and their nonces are free.
const REMEMBER: Duration = Duration::from_secs(15);

/// How long the lowest transaction that is not mined may go without anybody sending it again, before its nonce is
/// filled. Whoever still wants it sends it again, or outbids it, sooner.
const STUCK_AFTER: Duration = Duration::from_secs(90);

/// The most transactions that are kept to be sent again.
const KEPT_MAX: usize = 64;

/// One account's nonces.
#[derive(Default)]
pub(crate) struct Lane(Mutex<State>);

#[derive(Default)]
struct State {
    /// The nonce after the last one broadcast, and when that was.
    next: Option<(u64, Instant)>,
    /// What was broadcast and is not known to be mined, by nonce.
    sent: BTreeMap<u64, Known>,
    /// The highest nonce that anything of ours, or anything the node has shown before, leaves as the next.
    accounted: Option<u64>,
}

/// A transaction that the node took.
struct Known {
    tx: String,
    raw: Vec<u8>,
    /// The last time.
    taken: Instant,
}

/// What is to be done with the next nonce.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The nonce for something new.
    pub(crate) nonce: u64,
    /// What the node has forgotten of what is before it, in the order of nonces.
    pub(crate) lost: Vec<(u64, Vec<u8>)>,
    /// How many nonces went to transactions that we know nothing of.
    pub(crate) foreign: u64,
}

impl Lane {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The nonce after the last one broadcast, as long as we believe that more than the node's count.
    #[cfg(test)]
    fn next(&self) -> Option<u64> {
        self.lock().believed()
    }

    /// Takes note of the node's counts, and tells where something new would go.
    pub(crate) fn place(&self, mined: u64, pending: u64) -> Place {
        let mut state = self.lock();
        state.sent = state.sent.split_off(&mined);
        let foreign = state.accounted.map_or(0, |known| pending.saturating_sub(known));
        state.accounted = state.accounted.max(Some(pending));
        let next = state.believed().unwrap_or_default().max(pending);
        let lost =
            state.sent.range(pending..next).map(|(nonce, known)| (*nonce, known.raw.clone())).collect();
        Place { nonce: next, lost, foreign }
    }

    /// The transaction with the lowest nonce that is not mined, if nobody has cared for it for so long that it may only
    /// stand in the way of the others.
    pub(crate) fn stuck(&self, mined: u64, pending: u64) -> Option<Vec<u8>> {
        let state = self.lock();
        let known = state.sent.get(&mined).filter(|_| mined < pending)?;
        (known.taken.elapsed() >= STUCK_AFTER).then(|| known.raw.clone())
    }

    /// A transaction was taken by the node.
    pub(crate) fn broadcast(&self, nonce: u64, tx: &str, raw: &[u8]) {
        let mut state = self.lock();
        let after = nonce.saturating_add(1);
        if state.next.is_none_or(|(known, at)| after > known || at.elapsed() >= REMEMBER) {
            state.next = Some((after, Instant::now()));
        }
        state.accounted = state.accounted.max(Some(after));
        let known = Known { tx: tx.to_owned(), raw: raw.to_vec(), taken: Instant::now() };
        state.sent.insert(nonce, known);
        while state.sent.len() > KEPT_MAX {
            state.sent.pop_first();
        }
    }

    /// Whether the node took this very transaction so short a time ago.
    pub(crate) fn took_within(&self, nonce: u64, tx: &str, time: Duration) -> bool {
        let state = self.lock();
        state.sent.get(&nonce).is_some_and(|known| known.tx == tx && known.taken.elapsed() < time)
    }

    /// Nothing that we counted ourselves is to be believed any more.
    pub(crate) fn forget(&self) {
        self.lock().next = None;
    }
}

impl State {
    fn believed(&self) -> Option<u64> {
        self.next.filter(|(_, at)| at.elapsed() < REMEMBER).map(|(next, _)| next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn our_own_count_is_believed_for_a_while() {
        let lane = Lane::default();
        assert_eq!(lane.next(), None);
        lane.broadcast(6, "0x", b"6");
        assert_eq!(lane.next(), Some(7));
        lane.broadcast(4, "0x", b"4"); // an older transaction, sent again
        assert_eq!(lane.next(), Some(7));
        tokio::time::advance(REMEMBER).await;
        assert_eq!(lane.next(), None);
        lane.broadcast(2, "0x", b"2");
        assert_eq!(lane.next(), Some(3), "the node has lost the others");
        lane.forget();
        assert_eq!(lane.next(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_node_forgot_is_known_until_it_is_mined() {
        let lane = Lane::default();
        for nonce in 0..4_u8 {
            lane.broadcast(nonce.into(), "0x", &[nonce]);
        }
        assert_eq!(lane.place(0, 4), Place { nonce: 4, lost: vec![], foreign: 0 });
        // It has 0 to 1; 2 and 3 are gone from it.
        let lost = vec![(2, vec![2]), (3, vec![3])];
        assert_eq!(lane.place(1, 2), Place { nonce: 4, lost, foreign: 0 });
        assert_eq!(lane.place(4, 4), Place { nonce: 4, lost: vec![], foreign: 0 });
        assert_eq!(lane.place(1, 1).lost, [], "what was mined is not kept, whatever a node that lags says");
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_cares_for_any_more_counts_as_stuck() {
        let lane = Lane::default();
        lane.broadcast(0, "0x", b"0");
        lane.broadcast(1, "0x", b"1");
        tokio::time::advance(STUCK_AFTER / 2).await;
        lane.broadcast(1, "0x", b"1 again");
        tokio::time::advance(STUCK_AFTER / 2).await;
        assert_eq!(lane.stuck(0, 2), Some(b"0".to_vec()));
        assert_eq!(lane.stuck(1, 2), None, "cared for since");
        assert_eq!(lane.stuck(2, 2), None, "nothing waits");
    }

    #[test]
    fn nonces_that_somebody_else_used_are_counted_once() {
        let lane = Lane::default();
        assert_eq!(lane.place(5, 5).foreign, 0, "what was before us is nobody's business");
        lane.broadcast(5, "0x", b"5");
        assert_eq!(lane.place(6, 6).foreign, 0);
        assert_eq!(lane.place(8, 8).foreign, 2);
        assert_eq!(lane.place(8, 8).foreign, 0);
    }
}
