//! What became of a payment, by receipts and by the contract's own logs.
//!
//! Landed means: the authorization's own `AuthorizationUsed` log, followed by the `Transfer` of exactly the signed
//! amount to the signed payee, deep enough. Dead needs as much proof: the nonce ended otherwise (a cancellation,
//! another transfer), or a block deep enough is past `validBefore` with the nonce unused. All else is pending.

use crate::EvmChain;
use crate::contract::{ENDINGS, Usdc, address};
use crate::node::{At, Batch, Block, Log, Question, Receipt, hex0x};
use crate::send::stored_payload;
use crate::sight::{Heads, LOOKED_JUST_NOW, Shared, Sight};
use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::SolEvent;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tollwire_exact::evm::{self, Authorization};
use tollwire_ledger::model::{Landing, Payment};
use tollwire_settlement::chain::LOOK_BACK_SECS;
use tollwire_settlement::{ChainError, Observation, Refusal};
use tollwire_x402::{Usdc as Money, reason};

/// The smallest log query, in blocks, before a node's refusal is taken for an outage.
const LOG_BLOCKS_MIN: u64 = 10;

/// How long nothing but its own transaction is asked about a payment, after the node has taken that.
const ALONE_FOR: Duration = Duration::from_secs(3);

/// Wei in a whole coin.
const WEI_PER_COIN: u64 = 1_000_000_000_000_000_000;

/// How an authorization's nonce ended in one transaction.
#[derive(Debug, PartialEq, Eq)]
enum Ending {
    /// It moved the signed amount to the signed payee.
    Paid,
    /// It moved something else, or to somebody else.
    OtherTransfer,
    /// The payer cancelled it.
    Cancelled,
}

/// Where an authorization's nonce ended.
struct Found {
    ending: Ending,
    tx: String,
    block: u64,
    /// What our part in it cost, in wei, if it is a transaction of ours that the payment does not have on record.
    unrecorded: U256,
}

/// What one look at a payment shows.
struct Look {
    receipts: Vec<Arc<Receipt>>,
    heads: Heads,
    /// Whether the nonce is used, if that was asked.
    used: Option<bool>,
}

impl EvmChain {
    /// What became of a payment.
    ///
    /// A payment whose transaction the node took a moment ago is waited for by that alone, and by one look for all where
    /// several share it. Whatever else there is to be known is asked once that is mined without effect, or is late.
    pub(crate) async fn observe_payment(&self, payment: &Payment) -> Result<Observation, ChainError> {
        let signed = stored_payload(payment)?.authorization;
        if let Some((tx, look)) = self.glance(payment).await? {
            if let Some(found) = self.found_in(&look.receipts, &signed) {
                return self.conclude(payment, found, &look.receipts, &look.heads);
            }
            if look.receipts.is_empty() && look.heads.newest.time < signed.valid_before {
                return Ok(Observation::Pending(Some(tx)));
            }
        }
        self.observe_whole(payment, &signed).await
    }

    /// The transaction that a payment waits for, if it is shared and young, and the only one: one look at it is everybody's.
    pub(crate) fn looked_at_together(&self, payment: &Payment) -> Option<Arc<Shared>> {
        let [only] = payment.attempts.as_slice() else { return None };
        self.sights.shared(&only.tx).filter(|shared| shared.made_within(ALONE_FOR))
    }

    /// One look at a payment's transactions, if the last went out a moment ago; and which that is.
    async fn glance(&self, payment: &Payment) -> Result<Option<(String, Look)>, ChainError> {
        let Some(last) = payment.attempts.last() else { return Ok(None) };
        let look = match self.looked_at_together(payment) {
            Some(shared) => {
                let Sight { receipt, heads } = self.see_shared(&shared, &last.tx, LOOKED_JUST_NOW).await?;
                Look { receipts: receipt.into_iter().collect(), heads, used: None }
            }
            None if self.took_within(last, ALONE_FOR) => self.look(payment, None).await?,
            None => return Ok(None),
        };
        Ok(Some((last.tx.clone(), look)))
    }

    /// What became of a payment, by all that the node says now.
    pub(crate) async fn observe_afresh(&self, payment: &Payment) -> Result<Observation, ChainError> {
        self.observe_whole(payment, &stored_payload(payment)?.authorization).await
    }

    async fn observe_whole(
        &self,
        payment: &Payment,
        signed: &Authorization,
    ) -> Result<Observation, ChainError> {
        let Look { receipts, heads, used } = self.look(payment, Some(signed)).await?;
        if let Some(found) = self.found_in(&receipts, signed) {
            return self.conclude(payment, found, &receipts, &heads);
        }
        // Mined without effect: it reverted, or this payment's call in a batch did. There is nothing to wait for then.
        let last = payment.attempts.last().map(|attempt| attempt.tx.clone());
        let waited_for = last.filter(|tx| receipts.iter().all(|receipt| receipt.tx != *tx));
        let head = heads.newest;
        if used != Some(true) {
            if self.expired(signed, head).await? {
                return Ok(Observation::Dead(refusal(
                    payment,
                    reason::EVM_VALID_BEFORE,
                    "it expired unused",
                )));
            }
            return Ok(Observation::Pending(waited_for));
        }
        if let Some(mut found) = self.search(payment, signed, head).await? {
            if payment.attempts.iter().any(|attempt| attempt.tx == found.tx) {
                found.unrecorded = U256::ZERO;
            }
            // Ours may have been mined since the first look, and reverted: it cost something all the same.
            let receipts = self.look(payment, None).await?.receipts;
            return self.conclude(payment, found, &receipts, &heads);
        }
        tracing::warn!(payer = %signed.from, "authorization is used, but the node shows no log of it");
        Ok(Observation::Pending(payment.attempts.last().map(|attempt| attempt.tx.clone())))
    }

    /// One look, in one request: the receipts of our own transactions for this payment, as far as they are mined, where
    /// the chain ends, and whether the authorization is used, if one is given.
    async fn look(&self, payment: &Payment, signed: Option<&Authorization>) -> Result<Look, ChainError> {
        let mut batch = Batch::default();
        // In this order, so that what used the nonce is not younger than what else is seen.
        let used = signed.map(|signed| batch.add(self.is_used(signed, At::Latest)));
        let receipts: Vec<_> =
            payment.attempts.iter().map(|attempt| batch.add(Question::receipt(&attempt.tx))).collect();
        let heads = self.ask_heads(&mut batch);
        let mut told = self.node.ask_all(batch).await?;
        let mut mined = Vec::new();
        for receipt in receipts {
            mined.extend(told.of(receipt)?.map(Arc::new));
        }
        let used = used.map(|used| told.of(used)).transpose()?;
        Ok(Look { receipts: mined, heads: heads.told(&mut told)?, used })
    }

    /// How a transaction of ours ended the authorization, if one did.
    fn found_in(&self, receipts: &[Arc<Receipt>], signed: &Authorization) -> Option<Found> {
        receipts.iter().filter(|receipt| receipt.succeeded).find_map(|receipt| {
            let ending = ending(&self.usdc.contract, signed, &receipt.logs)?;
            let (tx, block) = (receipt.tx.clone(), receipt.block);
            Some(Found { ending, tx, block, unrecorded: U256::ZERO })
        })
    }

    /// The time of a landing's block; `None` never.
    pub(crate) async fn time_of(&self, landing: &Landing) -> Result<Option<u64>, ChainError> {
        Ok(Some(self.node.block(At::Number(landing.block)).await?.time))
    }

    /// Turns an ending into a fate, once it is deep enough.
    fn conclude(
        &self,
        payment: &Payment,
        found: Found,
        receipts: &[Arc<Receipt>],
        heads: &Heads,
    ) -> Result<Observation, ChainError> {
        let Found { ending, tx, block, unrecorded } = found;
        if !self.is_deep(block, heads)? {
            return Ok(Observation::Pending(Some(tx)));
        }
        let failed = |reason, message: &str| {
            let refusal = refusal(payment, reason, message);
            Ok(if payment.attempts.is_empty() {
                Observation::Dead(refusal)
            } else {
                Observation::Failed(refusal)
            })
        };
        match ending {
            Ending::Paid => {
                let gas = self.share_of_gas(payment, receipts, unrecorded);
                Ok(Observation::Landed(Landing { tx, block, gas }))
            }
            Ending::Cancelled => {
                failed(reason::EVM_NONCE_ALREADY_USED, "the payer cancelled the authorization")
            }
            Ending::OtherTransfer if payment.attempts.iter().any(|attempt| attempt.tx == tx) => failed(
                reason::EVM_TRANSFER_EVENT_MISMATCH,
                "the transaction moved something else than was signed",
            ),
            Ending::OtherTransfer => {
                failed(reason::EVM_NONCE_ALREADY_USED, "the nonce was used for another transfer")
            }
        }
    }

    /// Whether an authorization's nonce is used.
    fn is_used(&self, signed: &Authorization, at: At) -> Question<bool> {
        let (authorizer, nonce) = (address(&signed.from), signed.nonce.into());
        let question = Usdc::authorizationStateCall { authorizer, nonce };
        Question::read(address(&self.usdc.contract), &question, at)
    }

    /// Whether a block deep enough proves that the authorization can never be used: its time is past `validBefore`,
    /// so is every later one's, and up to it the nonce was unused.
    async fn expired(&self, signed: &Authorization, head: Block) -> Result<bool, ChainError> {
        if head.time < signed.valid_before {
            return Ok(false);
        }
        let below = self.config.confirmations.saturating_sub(1).saturating_add(self.config.expiry_depth);
        let Some(number) = head.number.checked_sub(below) else { return Ok(false) };
        let block = self.node.block(At::Number(number)).await?;
        Ok(block.time >= signed.valid_before
            && !self.node.ask(self.is_used(signed, At::Number(block.number))).await?)
    }

    /// Looks for the transaction that used or cancelled the authorization.
    async fn search(
        &self,
        payment: &Payment,
        signed: &Authorization,
        head: Block,
    ) -> Result<Option<Found>, ChainError> {
        let from_time = payment.recorded.secs().saturating_sub(LOOK_BACK_SECS);
        let from = self.block_before(from_time, head).await?;
        let hex = |word: B256| hex0x(word.as_slice());
        let topics =
            json!([ENDINGS.map(hex), hex(topic(address(&signed.from))), hex(B256::from(signed.nonce))]);
        let mut found = None;
        self.each_log(from, head.number, topics, |log| {
            found = Some(log);
            true
        })
        .await?;
        match found {
            Some(log) => self.read_ending(signed, log).await,
            None => Ok(None),
        }
    }

    /// Goes through the token's logs in blocks `from..=to` that have these topics, until `heed` says that it is enough.
    pub(crate) async fn each_log(
        &self,
        mut from: u64,
        to: u64,
        topics: serde_json::Value,
        mut heed: impl FnMut(Log) -> bool,
    ) -> Result<(), ChainError> {
        let contract = address(&self.usdc.contract);
        let (last, mut span) = (to, self.config.log_blocks);
        while from <= last {
            let to = from.saturating_add(span.saturating_sub(1)).min(last);
            match self.node.logs(contract, from, to, topics.clone()).await {
                Ok(logs) => {
                    if logs.into_iter().any(&mut heed) {
                        return Ok(());
                    }
                    from = to.saturating_add(1);
                }
                // Nodes differ in the range they allow, and in how they say so.
                Err(_) if span > LOG_BLOCKS_MIN => span = (span / 4).max(LOG_BLOCKS_MIN),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn read_ending(&self, signed: &Authorization, log: Log) -> Result<Option<Found>, ChainError> {
        let Some(receipt) = self.node.receipt(&log.tx).await? else { return Ok(None) };
        let Some(ending) = ending(&self.usdc.contract, signed, &receipt.logs) else { return Ok(None) };
        // A batch of ours that went out before this payment had it on record.
        let ours = self.pool.all().iter().any(|account| address(&account.address) == receipt.from);
        let unrecorded =
            if ours { share(receipt.cost, uses(&self.usdc.contract, &receipt.logs)) } else { U256::ZERO };
        Ok(Some(Found { ending, tx: log.tx, block: log.block, unrecorded }))
    }

    /// A block not after `time`, near the last such one; block 0 if there is none.
    pub(crate) async fn block_before(&self, time: u64, head: Block) -> Result<u64, ChainError> {
        let (mut low, mut high, mut step) = (head, head.number, 64_u64);
        while low.time > time && low.number > 0 {
            high = low.number;
            low = self.node.block(At::Number(low.number.saturating_sub(step))).await?;
            step = step.saturating_mul(4);
        }
        while high.saturating_sub(low.number) > 64 {
            let middle = low.number.midpoint(high);
            let block = self.node.block(At::Number(middle)).await?;
            if block.time > time {
                high = middle;
            } else {
                low = block;
            }
        }
        Ok(low.number)
    }

    /// A payment's share of what our mined transactions for it cost, failed ones included, in USDC. A batch's cost is
    /// divided by the payments in it, each share rounded up.
    fn share_of_gas(&self, payment: &Payment, receipts: &[Arc<Receipt>], unrecorded: U256) -> Money {
        let of = |receipt: &Arc<Receipt>| {
            let attempt = payment.attempts.iter().find(|attempt| attempt.tx == receipt.tx)?;
            Some(share(receipt.cost, self.payments_in(attempt)))
        };
        self.in_usdc(receipts.iter().filter_map(of).fold(unrecorded, U256::saturating_add))
    }

    /// What mined transactions cost in all, reverted ones included, in USDC, rounded up.
    pub(crate) fn gas(&self, receipts: &[Receipt]) -> Money {
        self.in_usdc(receipts.iter().fold(U256::ZERO, |sum, receipt| sum.saturating_add(receipt.cost)))
    }

    /// An amount of wei in USDC at the configured rate, rounded up.
    pub(crate) fn in_usdc(&self, wei: U256) -> Money {
        let rate = U256::from(self.config.usdc_per_coin.atomic());
        let atomic = wei.saturating_mul(rate).div_ceil(U256::from(WEI_PER_COIN));
        u64::try_from(atomic).ok().and_then(Money::from_atomic).unwrap_or(Money::MAX)
    }
}

/// How the authorization ended in one transaction's logs, if it did. The contract writes the transfer right after
/// the use; other transfers in the same transaction prove nothing.
fn ending(usdc: &evm::Address, signed: &Authorization, logs: &[Log]) -> Option<Ending> {
    let contract = address(usdc);
    let mut logs = logs.iter().filter(|log| log.address == contract);
    let (payer, nonce) = (topic(address(&signed.from)), B256::from(signed.nonce));
    let ends = |log: &&Log| {
        log.topics.get(1..) == Some([payer, nonce].as_slice())
            && log.topics.first().is_some_and(|kind| ENDINGS.contains(kind))
    };
    let end = logs.by_ref().find(ends)?;
    if end.topics.first() == Some(&Usdc::AuthorizationCanceled::SIGNATURE_HASH) {
        return Some(Ending::Cancelled);
    }
    let transfer = [Usdc::Transfer::SIGNATURE_HASH, payer, topic(address(&signed.to))];
    let amount = U256::from(signed.value.atomic()).to_be_bytes::<32>();
    let paid = logs.next().is_some_and(|log| log.topics == transfer && log.data == amount);
    Some(if paid { Ending::Paid } else { Ending::OtherTransfer })
}

/// How many authorizations one transaction used.
fn uses(usdc: &evm::Address, logs: &[Log]) -> U256 {
    let contract = address(usdc);
    let used = |log: &&Log| {
        log.address == contract && log.topics.first() == Some(&Usdc::AuthorizationUsed::SIGNATURE_HASH)
    };
    U256::from(u64::try_from(logs.iter().filter(used).count()).unwrap_or(u64::MAX))
}

/// One of so many equal parts of a cost, in wei, rounded up.
fn share(cost: U256, parts: U256) -> U256 {
    cost.div_ceil(parts.max(U256::from(1)))
}

/// An address as an indexed log field.
fn topic(address: Address) -> B256 {
    address.into_word()
}

fn refusal(payment: &Payment, reason: &'static str, message: &str) -> Refusal {
    Refusal::new(reason, message).by(payment.intent.payer.clone())
}

#[cfg(test)]
mod tests;
