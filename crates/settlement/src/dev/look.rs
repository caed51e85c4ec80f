//! What the dev chain shows of a payment.

use super::DevChain;
use super::check;
use super::world::{Use, World};
use crate::{ChainError, Observation, Refusal};
use serde_json::Value;
use tokio::time::Instant;
use tollwire_ledger::model::{Landing, Payment};
use tollwire_x402::{Usdc, reason};

impl DevChain {
    /// What the chain shows of a payment.
    pub(super) fn look(&self, payment: &Payment) -> Result<Observation, ChainError> {
        let payload: Value = serde_json::from_str(&payment.intent.payload)
            .map_err(|error| ChainError::Unavailable(format!("stored payload unreadable: {error}")))?;
        let last = payment.attempts.last().map(|attempt| attempt.tx.clone());
        if self.faults.sees_nothing() {
            return Ok(Observation::Pending(last));
        }
        // Only verified payments are recorded, so the signature need not be recovered at every look.
        let authorized = check::read(&payload)
            .ok_or_else(|| ChainError::Unavailable("stored payload is no authorization".into()))?;
        let now = self.clock.now().secs();
        let world = self.world();
        let refusal = |reason, message: &str| Refusal::new(reason, message).by(payment.intent.payer.clone());
        let failed = |message| {
            let refusal = refusal(reason::EVM_NONCE_ALREADY_USED, message);
            if payment.attempts.is_empty() {
                Observation::Dead(refusal)
            } else {
                Observation::Failed(refusal)
            }
        };
        Ok(match world.used(&authorized.from, &authorized.nonce) {
            Some(Use::Moved { transfer, .. })
                if transfer.to != authorized.to || transfer.amount != authorized.amount =>
            {
                failed("the nonce was used for another transfer")
            }
            Some(Use::Moved { transfer, seen }) if *seen > Instant::now() => {
                Observation::Pending(Some(transfer.tx.clone()))
            }
            Some(Use::Moved { transfer, .. }) => Observation::Landed(Landing {
                tx: transfer.tx.clone(),
                block: transfer.block,
                gas: self.gas_of(&world, payment),
            }),
            Some(Use::Cancelled) => failed("the payer cancelled the authorization"),
            None if now >= authorized.valid_before => {
                Observation::Dead(refusal(reason::EVM_VALID_BEFORE, "the authorization expired unused"))
            }
            None => Observation::Pending(last),
        })
    }

    /// What our mined transactions for a payment cost, reverted ones included.
    fn gas_of(&self, world: &World, payment: &Payment) -> Usdc {
        let mined = payment.attempts.iter().filter(|attempt| world.is_mined(&attempt.tx)).count();
        u64::try_from(mined).ok().and_then(|count| self.config.gas.checked_mul(count)).unwrap_or(Usdc::MAX)
    }
}
