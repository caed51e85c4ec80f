//! What the fee payer has, and what it has lost.

use crate::SolanaChain;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tollwire_ledger::Timestamp;
use tollwire_settlement::ChainError;

/// Fees that were lost are remembered for this long, in seconds.
const REMEMBERED_SECS: u64 = 3_600;

/// How often the balance is asked for, in seconds, at most.
const LOOK_EVERY_SECS: u64 = 60;

/// The fee payer's purse.
///
/// A transaction that fails on chain costs us its fee and its payer nothing, so there is an end to how many may: beyond
/// a budget per hour nothing is signed until the oldest losses are an hour old.
pub(crate) struct Purse {
    chain: String,
    low: u64,
    lost_max: u64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Lamports lost, and since when they are counted.
    lost: u64,
    since: u64,
    looked: u64,
}

impl Purse {
    pub(crate) fn new(chain: &str, low: u64, lost_max: u64) -> Self {
        Self { chain: chain.to_owned(), low, lost_max, inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether more may be risked.
    pub(crate) fn check(&self, now: Timestamp) -> Result<(), ChainError> {
        let mut inner = self.lock();
        inner.age(now.secs());
        if inner.lost < self.lost_max {
            return Ok(());
        }
        let why = format!(
            "failed transactions cost {} lamports within an hour, more than failed_fees_max",
            inner.lost
        );
        Err(ChainError::Refused(why))
    }

    /// A transaction failed on chain, and cost this many lamports.
    pub(crate) fn failed(&self, fee: u64, now: Timestamp) {
        let lost = {
            let mut inner = self.lock();
            inner.age(now.secs());
            inner.lost = inner.lost.saturating_add(fee);
            inner.lost
        };
        tracing::warn!(fee, lost, "a payment failed on chain; its fee is lost");
        metrics::counter!("tollwire_settlement_failed_fees_lamports_total", "chain" => self.chain.clone())
            .increment(fee);
    }

    /// Whether the balance is due to be looked at.
    pub(crate) fn look_due(&self, now: Timestamp) -> bool {
        let mut inner = self.lock();
        let due = now.secs() >= inner.looked.saturating_add(LOOK_EVERY_SECS);
        if due {
            inner.looked = now.secs();
        }
        due
    }

    fn tell(&self, lamports: u64, account: &str) {
        // A gauge counts in floating point; sixteen digits of lamports are exact.
        let shown = u32::try_from(lamports / 1_000).unwrap_or(u32::MAX);
        metrics::gauge!("tollwire_settlement_balance_microsol", "chain" => self.chain.clone()).set(shown);
        if lamports < self.low {
            tracing::warn!(account, lamports, "the fee payer's balance is low; fund it");
        }
    }
}

impl Inner {
    fn age(&mut self, now: u64) {
        if now >= self.since.saturating_add(REMEMBERED_SECS) {
            (self.lost, self.since) = (0, now);
        }
    }
}

impl SolanaChain {
    /// What the fee payer has, asked of the node now.
    pub(crate) async fn purse_now(&self) -> Result<Vec<tollwire_settlement::Purse>, ChainError> {
        let account = self.limits.fee_payer.to_string();
        let lamports = self.node.balance(&account).await?;
        let low = lamports < self.purse.low;
        let balance = lamports.into();
        Ok(vec![tollwire_settlement::Purse { account, coin: "SOL", balance, decimals: 9, low }])
    }

    /// Asks for the fee payer's balance, and tells of it.
    pub(crate) async fn look_into_purse(&self) -> Result<(), ChainError> {
        let account = self.limits.fee_payer.to_string();
        let lamports = self.node.balance(&account).await?;
        self.purse.tell(lamports, &account);
        Ok(())
    }

    /// The same, if it was not done of late and the node answers.
    pub(crate) async fn glance_into_purse(&self) {
        if self.purse.look_due(self.config.clock.now())
            && let Err(error) = self.look_into_purse().await
        {
            tracing::debug!(%error, "the fee payer's balance is unknown");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_end_at_the_budget_and_are_forgiven_after_an_hour() {
        let purse = Purse::new("solana", 0, 20_000);
        let at = |secs: u64| Timestamp::from_millis(secs * 1_000);
        purse.failed(10_000, at(10_000));
        assert_eq!(purse.check(at(10_001)), Ok(()));
        purse.failed(10_000, at(10_002));
        assert!(matches!(purse.check(at(10_003)), Err(ChainError::Refused(_))));
        assert!(purse.check(at(13_599)).is_err());
        assert_eq!(purse.check(at(13_700)), Ok(()));
    }
}
