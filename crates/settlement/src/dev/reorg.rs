//! Reorganisations, scripted: what was mined is taken away, and may be mined again.

use super::DevChain;
use crate::{ChainError, Firmness, Observation};
use tollwire_ledger::model::{Landing, Payment};

impl DevChain {
    /// A reorganisation takes away the transaction of a payment; the chain stays as long as it was. Sent again, it is
    /// mined like new. False if it moved no payment's money.
    pub fn take_back(&self, tx: &str) -> bool {
        self.world().take_back(tx)
    }

    /// How firmly a landing stands. All of it stands for good until a final block is scripted: what this chain has
    /// forgotten over a restart is no reorganisation.
    pub(super) fn firmness_of(&self, payment: &Payment, landing: &Landing) -> Result<Firmness, ChainError> {
        let Some(last) = self.faults.final_block() else { return Ok(Firmness::Final) };
        Ok(match self.look(payment)? {
            Observation::Landed(found) if (&found.tx, found.block) != (&landing.tx, landing.block) => {
                Firmness::Moved(found)
            }
            Observation::Landed(found) if found.block <= last => Firmness::Final,
            Observation::Landed(_) => Firmness::Young,
            Observation::Pending(_) | Observation::Dead(_) | Observation::Failed(_) => Firmness::Gone,
        })
    }
}
