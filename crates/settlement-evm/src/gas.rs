//! What a settlement costs, before there is a receipt.

use crate::EvmChain;
use crate::node::{At, Batch, Question};
use alloy_primitives::U256;
use tollwire_settlement::ChainError;
use tollwire_x402::Usdc as Money;

/// Gas that a settlement is taken to need: a transfer by authorization to an account that had no USDC, with room.
const SETTLEMENT_GAS: u64 = 100_000;

impl EvmChain {
    /// What settling one payment costs now: its gas at the present base fee and tip, at the configured rate.
    pub(crate) async fn settlement_cost(&self) -> Result<Money, ChainError> {
        let mut batch = Batch::default();
        let (block, tip) = (batch.add(Question::block(At::Latest)), batch.add(Question::tip()));
        let mut told = self.node.ask_all(batch).await?;
        let price = told.of(block)?.base_fee.saturating_add(told.of(tip)?);
        Ok(self.in_usdc(U256::from(price).saturating_mul(U256::from(SETTLEMENT_GAS))))
    }
}
