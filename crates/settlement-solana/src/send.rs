//! Adding our signature, and sending.
//!
//! Signing is deterministic: however often a payment is prepared, its transaction is the same, and so is its name. The
//! cluster takes it once.

use crate::SolanaChain;
use crate::node::{Level, Sent, Simulated};
use serde_json::Value;
use tollwire_exact::solana::{Address, Checked};
use tollwire_ledger::model::{Attempt, Payment};
use tollwire_settlement::ChainError;
use tollwire_x402::v2::PaymentRequirements;

/// For how many blocks a blockhash is taken.
const BLOCKHASH_BLOCKS: u64 = 150;

impl SolanaChain {
    /// Signs a payment's transaction, if it would succeed now. From then on anybody could send it, so everything is
    /// checked once more: the record may be of another configuration than ours.
    pub(crate) async fn prepare_attempt(&self, payment: &Payment) -> Result<Attempt, ChainError> {
        // Sent once, it is sent again, whatever it looks like now.
        if let Some(made) = payment.attempts.first() {
            return Ok(made.clone());
        }
        self.purse.check(self.config.clock.now())?;
        let checked = self.stored(payment)?;
        let bytes = checked.transaction.to_bytes();
        let (simulated, ()) = tokio::join!(self.node.simulate(&bytes), self.glance_into_purse());
        let (simulated, slot) = simulated?;
        match simulated {
            Simulated::Passed => {}
            Simulated::Poor => return Err(self.out_of_gas()),
            Simulated::Failed(text) => return Err(ChainError::Refused(text)),
        }
        let last_height = self.last_height(&checked, slot).await?;
        let mut transaction = checked.transaction;
        let unsignable = |error: tollwire_exact::solana::Error| ChainError::Refused(error.to_string());
        let signature = transaction.sign(&self.key).map_err(unsignable)?;
        transaction.verify().map_err(unsignable)?;
        Ok(Attempt {
            tx: signature.to_string(),
            raw: transaction.to_bytes(),
            signer: self.limits.fee_payer.to_string(),
            nonce: Some(last_height),
            at: self.config.clock.now(),
        })
    }

    /// The last height at which a transaction can land that passed its simulation at this slot.
    async fn last_height(&self, checked: &Checked, slot: u64) -> Result<u64, ChainError> {
        let blockhash = Address::new(checked.transaction.message().blockhash).to_string();
        if let Some(last_height) = self.hints.last_height(&blockhash) {
            return Ok(last_height);
        }
        // The blockhash was known then, so it is no newer than the last block of then. Another node may be behind that.
        let head = self.node.head(Level::Processed).await?;
        if head.slot < slot {
            return Err(ChainError::Unavailable("a node that lags behind another".into()));
        }
        Ok(head.height.saturating_add(BLOCKHASH_BLOCKS))
    }

    /// The payment that was recorded, checked against what was recorded of it.
    fn stored(&self, payment: &Payment) -> Result<Checked, ChainError> {
        let intent = &payment.intent;
        let payload: Value = serde_json::from_str(&intent.payload)
            .map_err(|error| ChainError::Unavailable(format!("stored payload unreadable: {error}")))?;
        let requirements = PaymentRequirements {
            scheme: "exact".to_owned(),
            network: intent.network.to_string(),
            amount: intent.amount,
            asset: intent.asset.clone(),
            pay_to: intent.pay_to.clone(),
            max_timeout_seconds: 1,
            extra: Some(self.info.offer_extra.clone()),
        };
        self.check(&requirements, &payload)
            .map_err(|refusal| ChainError::Refused(format!("{}: {}", refusal.reason, refusal.message)))
    }

    /// Sends an attempt. Success means that the node passes it on, or that the cluster has it.
    pub(crate) async fn broadcast_attempt(&self, attempt: &Attempt) -> Result<(), ChainError> {
        match self.node.send(&attempt.raw).await? {
            Sent::Taken => Ok(()),
            Sent::Poor => Err(self.out_of_gas()),
            // No proof of anything: the node may lag. Whether it is dead is found out elsewhere.
            Sent::Stale => {
                tracing::debug!(tx = %attempt.tx, "the node does not take the blockhash");
                Ok(())
            }
        }
    }
}
