//! Which nonce comes next, and what is done about those before it.

use crate::EvmChain;
use crate::account::Account;
use crate::contract::address;
use crate::fees::Fees;
use crate::node::{Block, Sent};
use crate::wallet::Way;
use alloy_primitives::U256;
use tollwire_settlement::ChainError;

/// How an account stands.
pub(crate) struct Standing {
    pub(crate) mined: u64,
    pub(crate) pending: u64,
    pub(crate) balance: U256,
    pub(crate) block: Block,
    pub(crate) tip: u128,
}

impl EvmChain {
    /// Fills the lowest nonce that is not mined, if what has it is wanted by nobody any more and stands in the way of
    /// all others: with a transfer of nothing to ourselves, which offers more.
    pub(crate) async fn unstick(
        &self,
        account: &Account,
        standing: &Standing,
        fees: Fees,
    ) -> Result<(), ChainError> {
        let Some(stuck) = account.lane.stuck(standing.mined, standing.pending) else { return Ok(()) };
        let cap = self.config.max_fee_per_gas;
        let Some(fees) = Fees::of_raw(&stuck).and_then(|former| fees.above(former, cap).ok()) else {
            return Ok(()); // It is worth the most we pay already.
        };
        let way = Way { to: address(&account.address), input: Vec::new(), gas: 21_000 };
        let filler = self.sign_call(account, standing.mined, fees, way)?;
        if self.node.send(&filler.raw).await? == Sent::Taken {
            let (signer, nonce) = (&account.name, standing.mined);
            account.lane.broadcast(nonce, &filler.tx, &filler.raw);
            tracing::warn!(%signer, nonce, tx = %filler.tx, "a stuck transaction that nobody waits for was replaced");
            metrics::counter!("tollwire_settlement_nonces_filled_total", "chain" => self.info.claim.clone())
                .increment(1);
        }
        Ok(())
    }

    /// The account's next nonce. What the node has forgotten of ours before it is sent again first.
    pub(crate) async fn next_nonce(
        &self,
        account: &Account,
        mined: u64,
        pending: u64,
    ) -> Result<u64, ChainError> {
        let place = account.lane.place(mined, pending);
        if place.foreign > 0 && !account.desk.is_shared() {
            let (signer, foreign) = (&account.name, place.foreign);
            tracing::warn!(%signer, foreign, "somebody else uses this settlement account; give it a key of its own");
            metrics::counter!("tollwire_settlement_nonces_foreign_total", "chain" => self.info.claim.clone())
                .increment(foreign);
        }
        let mut free = pending;
        for (nonce, raw) in place.lost {
            if nonce != free {
                break;
            }
            match self.node.send(&raw).await? {
                Sent::Taken | Sent::NonceTaken => free = free.saturating_add(1),
                Sent::Poor => return Err(ChainError::OutOfGas(account.name.clone())),
            }
            tracing::info!(signer = %account.name, nonce, "the node had lost a transaction; it was sent again");
            metrics::counter!("tollwire_settlement_nonces_repaired_total", "chain" => self.info.claim.clone())
                .increment(1);
        }
        // Behind all of ours, or in the gap that is left.
        Ok(free)
    }
}
