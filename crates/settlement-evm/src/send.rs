//! Signing and sending transactions.
//!
//! Two attempts can come to share a nonce, and only one of them lands: the other is superseded and its payment prepared
//! again, which is safe, because the token takes an authorization once.

use crate::EvmChain;
use crate::account::Account;
use crate::contract::address;
use crate::fees::Fees;
use crate::multicall::payments_in;
use crate::node::{Sent, hex0x};
use crate::note::Note;
use crate::wallet::Way;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_eips::eip2930::AccessList;
use alloy_primitives::{Signature, TxKind, U256};
use std::time::Duration;
use tollwire_exact::evm::Payload;
use tollwire_ledger::model::{Attempt, Payment};
use tollwire_settlement::ChainError;

/// How long a transaction that several payments share is not sent again by the next of them.
const SENT_JUST_NOW: Duration = Duration::from_millis(900);

impl EvmChain {
    /// Signs a call.
    pub(crate) fn sign_call(
        &self,
        account: &Account,
        nonce: u64,
        fees: Fees,
        way: Way,
    ) -> Result<Attempt, ChainError> {
        let transaction = TxEip1559 {
            chain_id: self.usdc.chain_id,
            nonce,
            gas_limit: way.gas,
            max_fee_per_gas: fees.max,
            max_priority_fee_per_gas: fees.tip,
            to: TxKind::Call(way.to),
            value: U256::ZERO,
            access_list: AccessList::default(),
            input: way.input.into(),
        };
        let unsignable = |what: String| ChainError::Unavailable(format!("transaction not signed: {what}"));
        let hash = transaction.signature_hash();
        let signature = account.key.sign_digest(&hash).map_err(|error| unsignable(error.to_string()))?;
        let signature =
            Signature::from_raw_array(signature.as_bytes()).map_err(|error| unsignable(error.to_string()))?;
        let signed = transaction.into_signed(signature);
        Ok(Attempt {
            tx: hex0x(signed.hash().as_slice()),
            raw: TxEnvelope::from(signed).encoded_2718(),
            signer: account.name.clone(),
            nonce: Some(nonce),
            at: self.config.clock.now(),
        })
    }

    /// Sends an attempt. Success means that the node has it, or had it already. One that several payments share is sent
    /// once, when each of them has said so; afterwards it is sent again by the one that has it on record, and is done for
    /// the others.
    pub(crate) async fn broadcast_attempt(&self, attempt: &Attempt) -> Result<(), ChainError> {
        match self.outbox.find(&attempt.tx) {
            Some(dispatch) => dispatch.send(self.send_attempt(&dispatch.attempt)).await,
            // Each of those who share it sends it again; one of them is enough.
            None if Note::of(attempt).is_some() || self.took_just_now(attempt) => Ok(()),
            None => self.send_attempt(attempt).await,
        }
    }

    fn took_just_now(&self, attempt: &Attempt) -> bool {
        self.took_within(attempt, SENT_JUST_NOW) && self.payments_in(attempt) > U256::from(1)
    }

    /// Whether the node took this very transaction from this process so short a time ago.
    pub(crate) fn took_within(&self, attempt: &Attempt, time: Duration) -> bool {
        let account = self.pool.find(&attempt.signer).and_then(|at| self.pool.all().get(at));
        account
            .zip(attempt.nonce)
            .is_some_and(|(account, nonce)| account.lane.took_within(nonce, &attempt.tx, time))
    }

    /// Among how many payments the cost of an attempt's transaction is divided.
    pub(crate) fn payments_in(&self, attempt: &Attempt) -> U256 {
        self.sights
            .shared(&attempt.tx)
            .map_or_else(|| payments_in(attempt, address(&self.usdc.contract)), |shared| shared.payments)
    }

    async fn send_attempt(&self, attempt: &Attempt) -> Result<(), ChainError> {
        // Another process's key may have signed it: then only the node keeps count.
        let account = self.pool.find(&attempt.signer).and_then(|at| self.pool.all().get(at));
        match self.node.send(&attempt.raw).await? {
            Sent::Taken => {}
            Sent::Poor => {
                if let Some(account) = account {
                    account.cannot_pay();
                }
                return Err(ChainError::OutOfGas(attempt.signer.clone()));
            }
            Sent::NonceTaken if self.node.knows(&attempt.tx).await? => {}
            Sent::NonceTaken => {
                if let Some(account) = account {
                    account.lane.forget();
                }
                let (nonce, signer) = (attempt.nonce.unwrap_or_default(), &attempt.signer);
                tracing::warn!(
                    %signer, nonce, tx = %attempt.tx,
                    "account nonce went to another transaction; settles anything else with this key?"
                );
                metrics::counter!("tollwire_settlement_nonces_lost_total", "chain" => self.info.claim.clone())
                    .increment(1);
                return Err(ChainError::Superseded(format!("nonce {nonce} of {signer} is taken")));
            }
        }
        if let (Some(nonce), Some(account)) = (attempt.nonce, account) {
            account.lane.broadcast(nonce, &attempt.tx, &attempt.raw);
        }
        Ok(())
    }
}

/// The payload that was recorded with a payment.
pub(crate) fn stored_payload(payment: &Payment) -> Result<Payload, ChainError> {
    Payload::parse_kept(&payment.intent.payload)
        .map_err(|refusal| ChainError::Unavailable(format!("stored payload unreadable: {refusal}")))
}
