//! What a settlement costs, asked of each chain now and then.

use crate::{Chain, ChainError};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tollwire_x402::{Network, Usdc};

/// How long an estimate is good: about as long as prices of gas stay what they are.
const GOOD_FOR: Duration = Duration::from_secs(15);

/// The latest estimates.
#[derive(Default)]
pub(super) struct Gauge(Mutex<BTreeMap<Network, (Usdc, Instant)>>);

impl Gauge {
    /// What settling one payment on this chain is estimated to cost. Callers that come together ask the chain once.
    pub(super) async fn estimate(&self, chain: &dyn Chain) -> Result<Usdc, ChainError> {
        let mut known = self.0.lock().await;
        let network = chain.info().network;
        if let Some((gas, at)) = known.get(&network)
            && at.elapsed() < GOOD_FOR
        {
            return Ok(*gas);
        }
        let gas = chain.settle_gas().await?;
        known.insert(network, (gas, Instant::now()));
        Ok(gas)
    }
}
