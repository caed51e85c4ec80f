//! Making and sending transactions: account nonces without gaps, fees with a cap.
//!
//! A nonce is never reserved. It counts as used once the node has taken the transaction; one that never got there
//! leaves its nonce to the next. Two attempts can so come to share a nonce, and only one of them lands: the other
//! is superseded and its payment prepared again, which is safe, because the token takes an authorization once.

use crate::EvmChain;
use crate::contract::{address, transfer_calldata};
use crate::node::{At, Called, Sent, hex0x};
use crate::turn::EvmTurn;
use alloy_consensus::{SignableTransaction, Transaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use alloy_eips::eip2930::AccessList;
use alloy_primitives::{Signature, TxKind, U256};
use std::any::Any;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tollwire_exact::evm::Payload;
use tollwire_ledger::model::{Attempt, Payment};
use tollwire_settlement::ChainError;
use tollwire_settlement::chain::Turn;

/// How long we believe our own count of broadcast transactions more than the node's: nodes behind one URL may lag
/// behind each other. After that, transactions it does not know of are lost, and their nonces are free.
const REMEMBER: Duration = Duration::from_secs(15);

/// The nonce after the last one broadcast, and when that was.
#[derive(Default)]
pub(crate) struct Lane(Mutex<Option<(u64, Instant)>>);

/// Fees of one transaction, in wei per gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fees {
    max: u128,
    tip: u128,
}

impl Lane {
    pub(crate) fn next(&self) -> Option<u64> {
        let next = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        next.filter(|(_, at)| at.elapsed() < REMEMBER).map(|(next, _)| next)
    }

    fn broadcast(&self, nonce: u64) {
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let after = nonce.saturating_add(1);
        if next.is_none_or(|(known, at)| after > known || at.elapsed() >= REMEMBER) {
            *next = Some((after, Instant::now()));
        }
    }

    fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl EvmChain {
    /// Signs the transaction that would settle a payment, if its simulation passes now.
    pub(crate) async fn prepare_attempt(
        &self,
        payment: &Payment,
        turn: &dyn Turn,
    ) -> Result<Attempt, ChainError> {
        let turn: &dyn Any = turn;
        if !turn.downcast_ref::<EvmTurn>().is_some_and(EvmTurn::holds) {
            return Err(ChainError::Busy);
        }
        let payload = stored_payload(payment)?;
        let (called, place, fees) =
            tokio::try_join!(self.try_transfer(&payload), self.place(payment), self.fees())?;
        if let Called::Reverted(text) = called {
            return Err(ChainError::Refused(text));
        }
        let (nonce, outbid) = place;
        let fees = match outbid {
            Some(former) => fees.above(former, self.config.max_fee_per_gas)?,
            None => fees,
        };
        let input = transfer_calldata(&payload)
            .ok_or_else(|| ChainError::Refused("the signature's wrapper is damaged".into()))?;
        self.sign_call(nonce, self.config.gas_limit, fees, input)
    }

    /// Signs a call of the token.
    pub(crate) fn sign_call(
        &self,
        nonce: u64,
        gas_limit: u64,
        fees: Fees,
        input: Vec<u8>,
    ) -> Result<Attempt, ChainError> {
        self.sign(TxEip1559 {
            chain_id: self.usdc.chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas: fees.max,
            max_priority_fee_per_gas: fees.tip,
            to: TxKind::Call(address(&self.usdc.contract)),
            value: U256::ZERO,
            access_list: AccessList::default(),
            input: input.into(),
        })
    }

    /// Sends an attempt. Success means that the node has it, or had it already.
    pub(crate) async fn broadcast_attempt(&self, attempt: &Attempt) -> Result<(), ChainError> {
        match self.node.send(&attempt.raw).await? {
            Sent::Taken => {}
            Sent::Poor => return Err(ChainError::OutOfGas(self.signer.to_string())),
            Sent::NonceTaken if self.node.knows(&attempt.tx).await? => {}
            Sent::NonceTaken => {
                self.lane.forget();
                let nonce = attempt.nonce.unwrap_or_default();
                tracing::warn!(
                    signer = %self.signer, nonce, tx = %attempt.tx,
                    "account nonce went to another transaction; settles anything else with this key?"
                );
                metrics::counter!("tollwire_settlement_nonces_lost_total", "chain" => self.info.claim.clone())
                    .increment(1);
                return Err(ChainError::Superseded(format!("nonce {nonce} of {} is taken", self.signer)));
            }
        }
        if let Some(nonce) = attempt.nonce {
            self.lane.broadcast(nonce);
        }
        Ok(())
    }

    /// The nonce to use, and the fees to outbid if a transaction of this payment still waits with it: a second
    /// nonce for the same payment would at best revert, and behind a stuck transaction it would wait as well.
    async fn place(&self, payment: &Payment) -> Result<(u64, Option<Fees>), ChainError> {
        let account = address(&self.signer);
        let (mined, pending) = tokio::try_join!(
            self.node.transaction_count(account, At::Latest),
            self.node.transaction_count(account, At::Pending)
        )?;
        let signer = self.signer.to_string();
        for attempt in payment.attempts.iter().filter(|attempt| attempt.signer == signer) {
            let Some(nonce) = attempt.nonce.filter(|nonce| (mined..=pending).contains(nonce)) else {
                continue;
            };
            // At `pending` the nonce is free, whether the node lost our transaction or never saw it.
            if nonce == pending || self.node.knows(&attempt.tx).await? {
                return Ok((nonce, Fees::of(attempt)));
            }
        }
        Ok((pending.max(self.lane.next().unwrap_or_default()), None))
    }

    /// What a transaction pays now: the node's tip, and twice the base fee, so that it stays valid while blocks
    /// fill up.
    pub(crate) async fn fees(&self) -> Result<Fees, ChainError> {
        let (block, tip) = tokio::try_join!(self.node.block(At::Latest), self.node.tip())?;
        let cap = self.config.max_fee_per_gas;
        if block.base_fee >= cap {
            let message = format!("gas costs {} wei, more than max_fee_per_gas, {cap}", block.base_fee);
            return Err(ChainError::Refused(message));
        }
        let max = block.base_fee.saturating_mul(2).saturating_add(tip).min(cap);
        Ok(Fees { max, tip: tip.min(max) })
    }

    fn sign(&self, transaction: TxEip1559) -> Result<Attempt, ChainError> {
        let unsignable = |what: String| ChainError::Unavailable(format!("transaction not signed: {what}"));
        let hash = transaction.signature_hash();
        let signature = self.key.sign_digest(&hash).map_err(|error| unsignable(error.to_string()))?;
        let signature =
            Signature::from_raw_array(signature.as_bytes()).map_err(|error| unsignable(error.to_string()))?;
        let nonce = transaction.nonce;
        let signed = transaction.into_signed(signature);
        Ok(Attempt {
            tx: hex0x(signed.hash().as_slice()),
            raw: TxEnvelope::from(signed).encoded_2718(),
            signer: self.signer.to_string(),
            nonce: Some(nonce),
            at: self.config.clock.now(),
        })
    }
}

impl Fees {
    /// What a prepared transaction offers.
    pub(crate) fn of(attempt: &Attempt) -> Option<Self> {
        let transaction = TxEnvelope::decode_2718(&mut attempt.raw.as_slice()).ok()?;
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
}

/// The payload that was recorded with a payment.
pub(crate) fn stored_payload(payment: &Payment) -> Result<Payload, ChainError> {
    let unreadable = |what: String| ChainError::Unavailable(format!("stored payload unreadable: {what}"));
    let json =
        serde_json::from_str(&payment.intent.payload).map_err(|error| unreadable(error.to_string()))?;
    Payload::parse(&json).map_err(|refusal| unreadable(refusal.to_string()))
}

#[cfg(test)]
mod tests;
