//! What offers say of the cluster, so that payers need not ask it: a recent blockhash.
//!
//! Anybody can ask for an offer, as often as he likes, so the node is asked at most once a [`FRESH`], by one request at a
//! time, and an offer never waits long for it: a payer can do without.

use crate::node::{Blockhash, Node};
use std::collections::VecDeque;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tollwire_x402::v2::Extra;

/// How long an answer is good. A blockhash lives for about a minute.
const FRESH: Duration = Duration::from_secs(3);

/// How long an offer waits for an answer, whoever asked for it.
const WAIT: Duration = Duration::from_millis(500);

/// How many blockhashes that offers named are remembered: more than are alive at any time.
const REMEMBERED: usize = 64;

#[derive(Default)]
pub(crate) struct Hints {
    /// The last answer, or that there was none.
    last: Mutex<Option<(Instant, Extra)>>,
    /// Blockhashes that offers named, with the last height at which each is taken; oldest first.
    given: std::sync::Mutex<VecDeque<Blockhash>>,
}

impl Hints {
    /// The last height at which a blockhash of ours is taken.
    pub(crate) fn last_height(&self, blockhash: &str) -> Option<u64> {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.iter().find(|known| known.text == blockhash).map(|known| known.last_height)
    }

    fn remember(&self, blockhash: Blockhash) {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if given.len() >= REMEMBERED {
            given.pop_front();
        }
        given.push_back(blockhash);
    }

    /// `recentBlockhash` and `lastValidBlockHeight`, or nothing while the node does not say.
    pub(crate) async fn get(&self, node: &Node) -> Extra {
        timeout(WAIT, self.ask(node)).await.unwrap_or_default()
    }

    async fn ask(&self, node: &Node) -> Extra {
        let mut last = self.last.lock().await;
        if let Some((at, extra)) = last.as_ref()
            && at.elapsed() < FRESH
        {
            return extra.clone();
        }
        // A wait that ends here leaves the failure in place, so that the next offer does not wait as well.
        *last = Some((Instant::now(), Extra::new()));
        let extra = match node.latest_blockhash().await {
            Ok(latest) => {
                self.remember(latest.clone());
                Extra::from_iter([
                    ("recentBlockhash".to_owned(), latest.text.into()),
                    ("lastValidBlockHeight".to_owned(), latest.last_height.to_string().into()),
                ])
            }
            Err(error) => {
                tracing::debug!(%error, "offers go without a blockhash");
                Extra::new()
            }
        };
        *last = Some((Instant::now(), extra.clone()));
        extra
    }
}
