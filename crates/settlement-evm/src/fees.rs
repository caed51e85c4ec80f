//! What a transaction offers for its gas: enough to be mined soon, within a cap, and more than the one it replaces.

use crate::node::Block;
use crate::note::Note;
use alloy_consensus::{Transaction, TxEnvelope};
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::U256;
use tollwire_ledger::model::Attempt;
use tollwire_settlement::ChainError;

/// Fees of one transaction, in wei per gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fees {
    pub(crate) max: u128,
    pub(crate) tip: u128,
}

impl Fees {
    /// What a transaction pays now: the node's tip, and twice the base fee, so that it stays valid while blocks fill
    /// up. Refused where the base fee alone is more than `cap`, in wei per gas.
    pub(crate) fn now(block: Block, tip: u128, cap: u128) -> Result<Self, ChainError> {
        if block.base_fee >= cap {
            let message = format!("gas costs {} wei, more than max_fee_per_gas, {cap}", block.base_fee);
            return Err(ChainError::Refused(message));
        }
        let max = block.base_fee.saturating_mul(2).saturating_add(tip).min(cap);
        Ok(Self { max, tip: tip.min(max) })
    }

    /// What a prepared transaction offers.
    pub(crate) fn of(attempt: &Attempt) -> Option<Self> {
        Note::of(attempt).map(|note| note.fees).or_else(|| Self::of_raw(&attempt.raw))
    }

    /// What a signed transaction offers.
    pub(crate) fn of_raw(mut raw: &[u8]) -> Option<Self> {
        let transaction = TxEnvelope::decode_2718(&mut raw).ok()?;
        let max = transaction.max_fee_per_gas();
        Some(Self { max, tip: transaction.max_priority_fee_per_gas().unwrap_or(max) })
    }

    /// The higher of both, each for itself.
    pub(crate) fn max(self, other: Self) -> Self {
        Self { max: self.max.max(other.max), tip: self.tip.max(other.tip) }
    }

    /// At least an eighth above a former transaction's, as nodes demand of a replacement.
    pub(crate) fn above(self, former: Self, cap: u128) -> Result<Self, ChainError> {
        let more = |fee: u128| fee.saturating_add(fee / 8).saturating_add(1);
        let fees = Self { max: self.max.max(more(former.max)), tip: self.tip.max(more(former.tip)) };
        if fees.max > cap {
            let message = format!("replacing the stuck transaction costs more than max_fee_per_gas, {cap}");
            return Err(ChainError::Refused(message));
        }
        Ok(fees)
    }

    /// What a transaction with this gas limit may cost at most, in wei.
    pub(crate) fn at_most(self, gas_limit: u64) -> U256 {
        U256::from(self.max).saturating_mul(U256::from(gas_limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_outbids_by_an_eighth_within_the_cap() {
        let fresh = Fees { max: 90, tip: 20 };
        let former = Fees { max: 100, tip: 8 };
        assert_eq!(fresh.above(former, 1_000), Ok(Fees { max: 113, tip: 20 }));
        assert!(matches!(fresh.above(former, 112), Err(ChainError::Refused(_))));
    }
}
