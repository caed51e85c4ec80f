//! When providers are paid: one round per period, by one of the processes that share a ledger.

use super::Settler;
use crate::SettleError;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// The longest pause between two looks whether a round is due.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// How long a round is a process's own, if it dies at it.
const ROUND_LEASE: Duration = Duration::from_mins(5);

/// When a round that could not pay everybody is made again.
const AGAIN_AFTER: Duration = Duration::from_mins(10);

/// The period of the ledger: a lease that whoever makes a round keeps until the next one is due.
const PERIOD: &str = "payout-period";

/// The schedule's task; dropping it ends it.
#[derive(Debug)]
pub struct PayoutSchedule(JoinHandle<()>);

impl Drop for PayoutSchedule {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Settler {
    /// Makes a round of payouts if one is due: if none was made, here or elsewhere, for `every`. Whether it did.
    pub async fn pay_providers_if_due(&self, every: Duration) -> Result<bool, SettleError> {
        let (ledger, config) = (&self.shared.ledger, &self.shared.config);
        // Another name each time: a process must not take over its own last round's period.
        let holder = format!("{} {}", config.holder, self.shared.clock.now().millis());
        if !ledger.lease(PERIOD, &holder, ROUND_LEASE.min(every)).await? {
            return Ok(false);
        }
        match self.pay_providers(None).await {
            Ok(Some(round)) => {
                let whole = round.short.is_empty() && round.failed.is_empty();
                let until_next = if whole { every } else { AGAIN_AFTER.min(every) };
                ledger.lease(PERIOD, &holder, until_next).await?;
                let (sealed, gathering) = (round.sealed.len(), round.gathering.len());
                tracing::info!(sealed, gathering, whole, "round of payouts");
                Ok(true)
            }
            other => {
                ledger.release(PERIOD, &holder).await?;
                other.map(|_| false)
            }
        }
    }

    /// Pays providers once per `every`, until the handle is dropped or the settler drains.
    #[must_use = "dropping the handle ends the schedule"]
    pub fn spawn_payouts(self: &Arc<Self>, every: Duration) -> PayoutSchedule {
        let settler = self.clone();
        PayoutSchedule(tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK_EVERY.min(every)).await;
                match settler.pay_providers_if_due(every).await {
                    Ok(_) => {}
                    Err(SettleError::Draining) => return,
                    Err(error) => tracing::warn!(%error, "providers not paid; will repeat"),
                }
            }
        }))
    }
}
