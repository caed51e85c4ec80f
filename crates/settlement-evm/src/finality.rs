//! How deep a block must lie before what it holds counts, and before it counts for good.

use crate::EvmChain;
use crate::config::Finality;
use crate::node::{At, Batch, Block, Question, Slot, Told};
use crate::sight::{A_MOMENT_AGO, Heads, Shared, Sight};
use std::sync::Arc;
use std::time::Duration;
use tollwire_ledger::model::{Landing, Payment};
use tollwire_settlement::{ChainError, Firmness, Observation};

/// Where the chain ends, as asked.
pub(crate) struct AskedHeads {
    newest: Slot<Block>,
    finalized: Option<Slot<Block>>,
}

impl AskedHeads {
    pub(crate) fn told(self, told: &mut Told) -> Result<Heads, ChainError> {
        // A node that knows of no final block is a matter for those who need one.
        let finalized = self.finalized.map(|slot| told.of(slot).map(|block| block.number));
        Ok(Heads { newest: told.of(self.newest)?, finalized })
    }
}

impl EvmChain {
    /// Asks where the chain ends, in a request with other questions.
    pub(crate) fn ask_heads(&self, batch: &mut Batch) -> AskedHeads {
        AskedHeads {
            newest: batch.add(Question::block(At::Latest)),
            finalized: match self.config.finality {
                Finality::Confirmations => None,
                Finality::Finalized => Some(batch.add(Question::block(At::Finalized))),
            },
        }
    }

    /// Where the chain ends, given its newest block.
    pub(crate) async fn heads_above(&self, newest: Block) -> Heads {
        let finalized = match self.config.finality {
            Finality::Confirmations => None,
            Finality::Finalized => Some(self.node.block(At::Finalized).await.map(|block| block.number)),
        };
        Heads { newest, finalized }
    }

    /// Whether a block is deep enough below the newest, as configured.
    pub(crate) fn is_deep(&self, block: u64, heads: &Heads) -> Result<bool, ChainError> {
        if let Some(finalized) = &heads.finalized {
            return Ok(finalized.clone()? >= block);
        }
        let above = self.config.confirmations.saturating_sub(1);
        Ok(heads.newest.number >= block.saturating_add(above))
    }

    /// The newest block that no reorganisation is expected to take away, given where the chain ends.
    fn last_final(&self, heads: &Heads) -> Result<u64, ChainError> {
        heads
            .finalized
            .clone()
            .unwrap_or_else(|| Ok(heads.newest.number.saturating_sub(self.config.final_depth)))
    }

    /// The newest block that no reorganisation is expected to take away.
    pub(crate) async fn newest_final(&self) -> Result<u64, ChainError> {
        let mut batch = Batch::default();
        let heads = self.ask_heads(&mut batch);
        let mut told = self.node.ask_all(batch).await?;
        self.last_final(&heads.told(&mut told)?)
    }

    /// One look at a transaction, in one request.
    async fn ask_about_transaction(&self, tx: &str) -> Result<Sight, ChainError> {
        let mut batch = Batch::default();
        let receipt = batch.add(Question::receipt(tx));
        let heads = self.ask_heads(&mut batch);
        let mut told = self.node.ask_among_others(batch).await?;
        Ok(Sight { receipt: told.of(receipt)?.map(Arc::new), heads: heads.told(&mut told)? })
    }

    /// One look at a transaction that several payments share, by one of them for all.
    pub(crate) async fn see_shared(
        &self,
        shared: &Shared,
        tx: &str,
        fresh: Duration,
    ) -> Result<Sight, ChainError> {
        shared.see(fresh, self.ask_about_transaction(tx)).await
    }

    /// How firmly a landing stands: by its receipt, and by everything else if that is gone.
    pub(crate) async fn firmness_of(
        &self,
        payment: &Payment,
        landing: &Landing,
    ) -> Result<Firmness, ChainError> {
        let Sight { receipt, heads } = match self.sights.shared(&landing.tx) {
            Some(shared) => self.see_shared(&shared, &landing.tx, A_MOMENT_AGO).await?,
            None => self.ask_about_transaction(&landing.tx).await?,
        };
        if heads.newest.number < landing.block {
            let message = format!("block {} is not there, or not yet again", landing.block);
            return Err(ChainError::Unavailable(message));
        }
        if receipt.is_some_and(|receipt| receipt.succeeded && receipt.block == landing.block) {
            let last = self.last_final(&heads)?;
            return Ok(if landing.block <= last { Firmness::Final } else { Firmness::Young });
        }
        Ok(match self.observe_afresh(payment).await? {
            Observation::Landed(elsewhere) => Firmness::Moved(elsewhere),
            Observation::Pending(_) | Observation::Dead(_) | Observation::Failed(_) => Firmness::Gone,
        })
    }
}
