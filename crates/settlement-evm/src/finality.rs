//! How deep a block must lie before what it holds counts, and before it counts for good.

use crate::EvmChain;
use crate::config::Finality;
use crate::node::{At, Batch, Block, Question};
use tollwire_ledger::model::{Landing, Payment};
use tollwire_settlement::{ChainError, Firmness, Observation};

impl EvmChain {
    /// Whether a block is deep enough below the newest, as configured.
    pub(crate) async fn is_deep(&self, block: u64, head: Block) -> Result<bool, ChainError> {
        match self.config.finality {
            Finality::Confirmations => {
                let above = self.config.confirmations.saturating_sub(1);
                Ok(head.number >= block.saturating_add(above))
            }
            Finality::Finalized => Ok(self.node.block(At::Finalized).await?.number >= block),
        }
    }

    /// The newest block that no reorganisation is expected to take away.
    pub(crate) async fn newest_final(&self) -> Result<u64, ChainError> {
        match self.config.finality {
            Finality::Confirmations => {
                Ok(self.node.block(At::Latest).await?.number.saturating_sub(self.config.final_depth))
            }
            Finality::Finalized => Ok(self.node.block(At::Finalized).await?.number),
        }
    }

    /// How firmly a landing stands: by its receipt, and by everything else if that is gone.
    pub(crate) async fn firmness_of(
        &self,
        payment: &Payment,
        landing: &Landing,
    ) -> Result<Firmness, ChainError> {
        let mut batch = Batch::default();
        let receipt = batch.add(Question::receipt(&landing.tx));
        let head = batch.add(Question::block(At::Latest));
        let mut told = self.node.ask_all(batch).await?;
        let (receipt, head) = (told.of(receipt)?, told.of(head)?);
        if head.number < landing.block {
            let message = format!("block {} is not there, or not yet again", landing.block);
            return Err(ChainError::Unavailable(message));
        }
        if receipt.is_some_and(|receipt| receipt.succeeded && receipt.block == landing.block) {
            let last = self.newest_final().await?;
            return Ok(if landing.block <= last { Firmness::Final } else { Firmness::Young });
        }
        Ok(match self.observe_payment(payment).await? {
            Observation::Landed(elsewhere) => Firmness::Moved(elsewhere),
            Observation::Pending(_) | Observation::Dead(_) | Observation::Failed(_) => Firmness::Gone,
        })
    }
}
