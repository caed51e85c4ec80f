//! What the node says of a transaction that several payments share: asked once for all who look at the same moment.
//!
//! Each payment of a batch is observed by a task of its own, and each would ask for the same receipt, which is as long as
//! the batch is wide. What is not known here (another process's batch, one from before a restart) is asked for each.

use crate::node::{Block, Receipt};
use alloy_primitives::U256;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tollwire_settlement::ChainError;

/// The most transactions that are known as shared.
const KNOWN_MAX: usize = 256;

/// How old a look may be for somebody who waits for the payment's block.
pub(crate) const LOOKED_JUST_NOW: Duration = Duration::from_millis(25);

/// How old a look may be for somebody who makes sure of a landing, every few seconds.
pub(crate) const A_MOMENT_AGO: Duration = Duration::from_millis(250);

/// One look at a transaction.
#[derive(Debug, Clone)]
pub(crate) struct Sight {
    /// `None` while it is not mined.
    pub(crate) receipt: Option<Arc<Receipt>>,
    /// As of the same request.
    pub(crate) heads: Heads,
}

/// Where the chain ends.
#[derive(Debug, Clone)]
pub(crate) struct Heads {
    pub(crate) newest: Block,
    /// The newest block that the chain itself holds for final, where the configuration goes by that.
    pub(crate) finalized: Option<Result<u64, ChainError>>,
}

/// The transactions that several payments share.
#[derive(Default)]
pub(crate) struct Sights(Mutex<Known>);

#[derive(Default)]
struct Known {
    by_tx: HashMap<String, Arc<Shared>>,
    /// Oldest first.
    order: VecDeque<String>,
}

/// One transaction that several payments share.
pub(crate) struct Shared {
    /// How many payments its cost is divided among.
    pub(crate) payments: U256,
    made: Instant,
    last: tokio::sync::Mutex<Option<Seen>>,
}

struct Seen {
    asked: Instant,
    told: Instant,
    sight: Result<Sight, ChainError>,
}

impl Sights {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A transaction is shared by so many payments.
    pub(crate) fn share(&self, tx: &str, payments: U256) {
        let mut known = self.lock();
        let shared = Shared { payments, made: Instant::now(), last: tokio::sync::Mutex::new(None) };
        if known.by_tx.insert(tx.to_owned(), Arc::new(shared)).is_none() {
            known.order.push_back(tx.to_owned());
        }
        if known.order.len() > KNOWN_MAX
            && let Some(oldest) = known.order.pop_front()
        {
            known.by_tx.remove(&oldest);
        }
    }

    /// A transaction that is known as shared.
    pub(crate) fn shared(&self, tx: &str) -> Option<Arc<Shared>> {
        self.lock().by_tx.get(tx).cloned()
    }
}

impl Shared {
    /// Whether it was made so short a time ago.
    pub(crate) fn made_within(&self, time: Duration) -> bool {
        self.made.elapsed() < time
    }

    /// What somebody else has seen since the caller came, or not longer ago than `fresh`; else what `ask` sees.
    pub(crate) async fn see(
        &self,
        fresh: Duration,
        ask: impl Future<Output = Result<Sight, ChainError>>,
    ) -> Result<Sight, ChainError> {
        let came = Instant::now();
        let mut last = self.last.lock().await;
        if let Some(seen) = last.as_ref()
            && (seen.told > came || seen.asked.elapsed() < fresh)
        {
            return seen.sight.clone();
        }
        let asked = Instant::now();
        let sight = ask.await;
        *last = Some(Seen { asked, told: Instant::now(), sight: sight.clone() });
        sight
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn at(number: u64) -> Sight {
        let newest = Block { number, time: number, base_fee: 0 };
        Sight { receipt: None, heads: Heads { newest, finalized: None } }
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_share_a_look_and_later_ones_look_again() {
        let sights = Sights::default();
        sights.share("0x1", U256::from(3));
        let shared = sights.shared("0x1").unwrap();
        let looks = AtomicU64::new(0);
        let ask = || async {
            let number = looks.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(at(number))
        };
        let see = |fresh| {
            let shared = &shared;
            async move { shared.see(fresh, ask()).await.unwrap().heads.newest.number }
        };
        // The answer is older than what the second takes for fresh, but it came while it waited.
        assert_eq!(tokio::join!(see(LOOKED_JUST_NOW), see(LOOKED_JUST_NOW)), (0, 0));
        assert_eq!(see(LOOKED_JUST_NOW).await, 1, "an answer from before it came");
        assert_eq!(see(Duration::from_secs(2)).await, 1);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(see(Duration::from_secs(2)).await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_node_is_asked_once_by_all_who_wait() {
        let sights = Sights::default();
        sights.share("0x1", U256::from(2));
        let shared = sights.shared("0x1").unwrap();
        let ask = || async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            Err(ChainError::Unavailable("no answer".into()))
        };
        let begun = Instant::now();
        let all = (0..8).map(|_| shared.see(LOOKED_JUST_NOW, ask()));
        assert!(futures_util::future::join_all(all).await.iter().all(Result::is_err));
        assert_eq!(begun.elapsed(), Duration::from_secs(10));
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let sights = Sights::default();
        for number in 0..=KNOWN_MAX {
            sights.share(&number.to_string(), U256::from(2));
            sights.share(&number.to_string(), U256::from(2));
        }
        assert!(sights.shared("0").is_none() && sights.shared("1").is_some());
        assert_eq!(sights.lock().by_tx.len(), KNOWN_MAX);
    }
}
