//! Watching what the settlement accounts have left for gas.

use crate::EvmChain;
use crate::account::Account;
use crate::fees::Fees;
use alloy_primitives::U256;
use std::sync::atomic::Ordering;

impl EvmChain {
    /// Shows for how many transactions an account's balance is enough at these fees, and says so once if they are few.
    pub(crate) fn watch_purse(&self, account: &Account, balance: U256, fees: Fees) {
        let one = fees.at_most(self.config.gas_limit).max(U256::from(1));
        let left = u32::try_from(balance / one).unwrap_or(u32::MAX);
        let labels = [("chain", self.info.claim.clone()), ("signer", account.name.clone())];
        metrics::gauge!("tollwire_settlement_transactions_left", &labels).set(left);
        let low = left < self.config.low_balance;
        if account.alarmed.swap(low, Ordering::Relaxed) != low {
            let signer = &account.name;
            if low {
                tracing::warn!(%signer, left, "settlement account runs dry: it pays for so few transactions; fund it");
            } else {
                tracing::info!(%signer, left, "settlement account is funded again");
            }
        }
        if left > 0 {
            account.can_pay();
        }
    }
}
