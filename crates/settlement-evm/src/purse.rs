//! Watching what the settlement accounts have left for gas.

use crate::EvmChain;
use crate::account::Account;
use crate::contract::address;
use crate::fees::Fees;
use crate::node::{At, Batch, Question};
use alloy_primitives::U256;
use std::sync::atomic::Ordering;
use tollwire_settlement::{ChainError, Purse};

/// Digits of wei behind the point of an ether.
const DECIMALS: u8 = 18;

impl EvmChain {
    /// What each account has left, asked of the node in one request.
    pub(crate) async fn look_into_purses(&self) -> Result<Vec<Purse>, ChainError> {
        let mut batch = Batch::default();
        let (block, tip) = (batch.add(Question::block(At::Latest)), batch.add(Question::tip()));
        let mut asked = Vec::new();
        for account in self.pool.all() {
            asked.push((account, batch.add(Question::balance(address(&account.address)))));
        }
        let mut told = self.node.ask_all(batch).await?;
        let fees = Fees::now(told.of(block)?, told.of(tip)?, self.config.max_fee_per_gas)?;
        let mut purses = Vec::new();
        for (account, balance) in asked {
            let balance = told.of(balance)?;
            purses.push(Purse {
                account: account.name.clone(),
                coin: "ETH",
                balance: u128::try_from(balance).unwrap_or(u128::MAX),
                decimals: DECIMALS,
                low: self.transactions_left(balance, fees) < self.config.low_balance,
            });
        }
        Ok(purses)
    }

    /// For how many transactions a balance is enough at these fees.
    fn transactions_left(&self, balance: U256, fees: Fees) -> u32 {
        let one = fees.at_most(self.config.gas_limit).max(U256::from(1));
        u32::try_from(balance / one).unwrap_or(u32::MAX)
    }

    /// Shows for how many transactions an account's balance is enough at these fees, and says so once if they are few.
    pub(crate) fn watch_purse(&self, account: &Account, balance: U256, fees: Fees) {
        let left = self.transactions_left(balance, fees);
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
