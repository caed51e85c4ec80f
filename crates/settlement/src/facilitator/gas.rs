//! What a settlement costs, asked of each chain now and then.

use crate::{Chain, ChainError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tollwire_x402::{Network, Usdc};

/// How long an estimate is good: about as long as prices of gas stay what they are.
const GOOD_FOR: Duration = Duration::from_secs(15);

/// One chain's latest estimate. Locked while the chain is asked, so that callers who come together ask once.
type Estimate = Arc<Mutex<Option<(Usdc, Instant)>>>;

/// The latest estimates. Chains do not wait for each other.
#[derive(Default)]
pub(super) struct Gauge(SyncMutex<BTreeMap<Network, Estimate>>);

impl Gauge {
    /// What settling one payment on this chain is estimated to cost.
    pub(super) async fn estimate(&self, chain: &dyn Chain) -> Result<Usdc, ChainError> {
        self.known_or(chain.info().network, chain.settle_gas()).await
    }

    /// The estimate of a network, asked for if there is none that is still good.
    async fn known_or(
        &self,
        network: Network,
        ask: impl Future<Output = Result<Usdc, ChainError>>,
    ) -> Result<Usdc, ChainError> {
        let estimate =
            Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(network).or_default());
        let mut known = estimate.lock().await;
        if let Some((gas, at)) = *known
            && at.elapsed() < GOOD_FOR
        {
            return Ok(gas);
        }
        let gas = ask.await?;
        *known = Some((gas, Instant::now()));
        Ok(gas)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    const ONE: Usdc = Usdc::MAX;

    #[tokio::test(start_paused = true)]
    async fn a_chain_that_does_not_answer_holds_up_no_other() {
        let gauge = Gauge::default();
        let stuck = gauge.known_or(Network::BASE, pending());
        let other = async {
            tokio::task::yield_now().await;
            gauge.known_or(Network::BASE_SEPOLIA, ready(Ok(ONE))).await
        };
        tokio::select! {
            biased;
            _ = stuck => unreachable!(),
            estimate = other => assert_eq!(estimate, Ok(ONE)),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_estimate_is_asked_for_again_when_it_is_old() {
        let gauge = Gauge::default();
        assert_eq!(gauge.known_or(Network::BASE, ready(Ok(ONE))).await, Ok(ONE));
        assert_eq!(gauge.known_or(Network::BASE, ready(Ok(Usdc::ZERO))).await, Ok(ONE));
        tokio::time::advance(GOOD_FOR).await;
        assert_eq!(gauge.known_or(Network::BASE, ready(Ok(Usdc::ZERO))).await, Ok(Usdc::ZERO));
    }
}
