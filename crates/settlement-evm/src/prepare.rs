//! Making the transaction of a turn: one payment's own call, or one call for each of several payments.
//!
//! Every payment is simulated alone, and only those whose transfer would pass now are taken in. A payer with code goes
//! alone: what it does with its gas is its own business, and gas is shared in a batch. So does a payer whose transfer
//! failed in a batch before.

use crate::EvmChain;
use crate::account::{Account, Wanted};
use crate::contract::address;
use crate::fees::Fees;
use crate::multicall::{self, MULTICALL3, Part};
use crate::node::{At, Batch, Called, Question, Slot, Told};
use crate::nonces::Standing;
use crate::note::Note;
use crate::seat::{Entered, Entry, EvmTurn, Table};
use crate::send::stored_payload;
use crate::wallet::Way;
use alloy_primitives::U256;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use tollwire_exact::evm::{Payload, Signature};
use tollwire_ledger::model::{Attempt, Payment};
use tollwire_settlement::ChainError;
use tollwire_settlement::chain::Turn;

/// Gas limit of a batch, without its payments.
const BATCH_GAS: u64 = 60_000;

/// Gas limit of a batch for each payment in it; one takes about 80,000 at most.
const BATCH_GAS_EACH: u64 = 150_000;

/// The most payers that are remembered as going alone.
const LONERS_MAX: usize = 4096;

/// Payers whose payments share no transaction with others'.
#[derive(Default)]
pub(crate) struct Loners(Mutex<HashSet<[u8; 20]>>);

impl Loners {
    pub(crate) fn add(&self, payer: &tollwire_exact::evm::Address) {
        let mut loners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if loners.len() >= LONERS_MAX {
            loners.clear(); // They are found out again.
        }
        loners.insert(*payer.as_bytes());
    }

    fn has(&self, payer: &tollwire_exact::evm::Address) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(payer.as_bytes())
    }
}

/// A payment that a transaction is being made for.
struct Candidate {
    entry: Entry,
    payload: Payload,
    /// How it settles alone.
    way: Way,
    /// How it does if its wallet is not there yet.
    with_deployment: Option<Way>,
}

/// What is asked about a candidate.
struct Asked {
    trial: Slot<Called>,
    trial_with_deployment: Option<Slot<Called>>,
    code: Slot<Vec<u8>>,
    /// Whether the node has our earlier transactions, with their nonces.
    earlier: Vec<(u64, Slot<bool>)>,
}

impl EvmChain {
    /// Waits for the turn that suits a payment.
    pub(crate) async fn turn_for_payment(&self, payment: &Payment) -> Result<EvmTurn, ChainError> {
        let payload = stored_payload(payment)?;
        let alone =
            payload.signature.len() != Signature::BYTES || self.loners.has(&payload.authorization.from);
        let last = payment
            .attempts
            .iter()
            .rev()
            .find_map(|attempt| Some((self.pool.find(&attempt.signer)?, attempt.nonce?)));
        // Its own transaction may still be replaced, unless the account cannot pay for that.
        let last = last.filter(|(at, _)| {
            self.pool
                .all()
                .get(*at)
                .is_some_and(|account| !account.is_poor() || !self.pool.has_better_than(account))
        });
        self.pool
            .take(match (last, alone) {
                (Some((at, nonce)), false) => Wanted::Again(at, nonce),
                (Some((at, _)), true) => Wanted::Alone(at),
                (None, false) => Wanted::Any,
                (None, true) => Wanted::AnyAlone,
            })
            .await
    }

    /// Signs the transaction that would settle a payment, and perhaps others at the same table, if its simulation
    /// passes now.
    pub(crate) async fn prepare_attempt(
        &self,
        payment: &Payment,
        turn: &dyn Turn,
    ) -> Result<Attempt, ChainError> {
        let turn = EvmTurn::of(turn)?;
        turn.keep(None);
        let answered = match turn.table().enter(payment.clone()) {
            Entered::Later(answered) => answered,
            Entered::First(answered) => {
                Box::pin(self.make(turn.table())).await;
                answered
            }
        };
        let (attempt, ticket) = answered.await.unwrap_or(Err(ChainError::Busy))?;
        turn.keep(Some(ticket));
        Ok(attempt)
    }

    /// Makes one transaction for all that come, and answers each. The first that is still there has it on record, the
    /// others a note of it.
    async fn make(&self, table: &Table) {
        let (entries, slot) = table.collect().await;
        let mut candidates = Vec::new();
        for entry in entries {
            match self.ways(&entry.payment) {
                Ok((payload, way)) => {
                    let with_deployment = self.way_with_deployment(&payload);
                    candidates.push(Candidate { entry, payload, way, with_deployment });
                }
                Err(error) => entry.refuse(error),
            }
        }
        let attempt = match self.make_for(table, &mut candidates).await {
            Ok(attempt) => attempt,
            Err(error) => return refuse_all(candidates, &error),
        };
        if candidates.len() > 1 {
            tracing::debug!(tx = %attempt.tx, payments = candidates.len(), "payments share a transaction");
        }
        let size = u32::try_from(candidates.len()).unwrap_or(u32::MAX);
        metrics::histogram!("tollwire_settlement_batch_size", "chain" => self.info.claim.clone())
            .record(size);
        if candidates.len() > 1 {
            self.sights.share(&attempt.tx, U256::from(size));
        }
        let tickets = self.outbox.put(&attempt, candidates.len(), slot);
        let note = Fees::of(&attempt).map(|fees| Note { fees, payments: size });
        let mut on_record = false;
        for (candidate, ticket) in candidates.into_iter().zip(tickets) {
            let attempt = match note.filter(|_| on_record) {
                Some(note) => note.in_place_of(&attempt),
                None => attempt.clone(),
            };
            // Whoever has gone meanwhile drops its share.
            on_record |= candidate.entry.answer.send(Ok((attempt, ticket))).is_ok();
        }
    }

    fn ways(&self, payment: &Payment) -> Result<(Payload, Way), ChainError> {
        let payload = stored_payload(payment)?;
        let way = self
            .way(&payload)
            .ok_or_else(|| ChainError::Refused("the signature's wrapper is damaged".into()))?;
        Ok((payload, way))
    }

    /// Signs the transaction for those candidates that are fit for it; the others are answered and leave.
    async fn make_for(&self, table: &Table, candidates: &mut Vec<Candidate>) -> Result<Attempt, ChainError> {
        let account = &table.account;
        let (standing, known) = self.look_at(account, candidates).await?;
        let target = self.sort_out(account, &standing, candidates, known);
        if candidates.is_empty() {
            return Err(ChainError::Busy); // Everybody has been answered.
        }
        let mut fees = Fees::now(standing.block, standing.tip, self.config.max_fee_per_gas)?;
        let nonce = if let Some(nonce) = target {
            let former = candidates
                .iter()
                .flat_map(|candidate| &candidate.entry.payment.attempts)
                .filter(|attempt| attempt.signer == account.name && attempt.nonce == Some(nonce));
            if let Some(former) = former.filter_map(Fees::of).reduce(Fees::max) {
                fees = fees.above(former, self.config.max_fee_per_gas)?;
            }
            nonce
        } else {
            self.unstick(account, &standing, fees).await?;
            self.next_nonce(account, standing.mined, standing.pending).await?
        };
        let way = Self::call_for(candidates);
        self.watch_purse(account, standing.balance, fees);
        if standing.balance < fees.at_most(way.gas) {
            account.cannot_pay();
            if self.pool.has_better_than(account) {
                return Err(ChainError::Busy); // Another account does it.
            }
        }
        if !table.holds() {
            return Err(ChainError::Busy);
        }
        self.sign_call(account, nonce, fees, way)
    }

    /// Asks all there is to know in one request.
    async fn look_at(
        &self,
        account: &Account,
        candidates: &[Candidate],
    ) -> Result<(Standing, Vec<Known>), ChainError> {
        let mut batch = Batch::default();
        let own = address(&account.address);
        let mined = batch.add(Question::transaction_count(own, At::Latest));
        let pending = batch.add(Question::transaction_count(own, At::Pending));
        let block = batch.add(Question::block(At::Latest));
        let tip = batch.add(Question::tip());
        let balance = batch.add(Question::balance(own));
        let asked: Vec<Asked> =
            candidates.iter().map(|one| Self::ask_about(account, one, &mut batch)).collect();
        let mut told = self.node.ask_all(batch).await?;
        let standing = Standing {
            mined: told.of(mined)?,
            pending: told.of(pending)?,
            block: told.of(block)?,
            tip: told.of(tip)?,
            balance: told.of(balance)?,
        };
        let known = asked.into_iter().map(|asked| asked.told(&mut told));
        Ok((standing, known.collect::<Result<_, _>>()?))
    }

    fn ask_about(account: &Account, candidate: &Candidate, batch: &mut Batch) -> Asked {
        let own = address(&account.address);
        let trial = |way: &Way| Question::simulate(own, way.to, &way.input, way.gas, At::Latest);
        let payer = address(&candidate.payload.authorization.from);
        let attempts = candidate.entry.payment.attempts.iter();
        let earlier = attempts.filter(|attempt| attempt.signer == account.name);
        Asked {
            trial: batch.add(trial(&candidate.way)),
            trial_with_deployment: candidate.with_deployment.as_ref().map(|way| batch.add(trial(way))),
            code: batch.add(Question::code(payer)),
            earlier: earlier
                .filter_map(|attempt| Some((attempt.nonce?, batch.add(Question::knows(&attempt.tx)))))
                .collect(),
        }
    }

    /// Sends away who cannot be in the transaction now. The nonce to use, if it is to replace an earlier one.
    fn sort_out(
        &self,
        account: &Account,
        standing: &Standing,
        candidates: &mut Vec<Candidate>,
        known: Vec<Known>,
    ) -> Option<u64> {
        let all = std::mem::take(candidates);
        let mut fit = Vec::new();
        for (mut candidate, known) in all.into_iter().zip(known) {
            if let Some(way) = candidate.with_deployment.take().filter(|_| !known.has_code) {
                candidate.way = way;
            }
            if let Called::Reverted(text) = known.trial {
                candidate.entry.refuse(ChainError::Refused(text));
                continue;
            }
            // At `pending` the nonce is free, whether the node lost our transaction or never saw it.
            let (mined, pending) = (standing.mined, standing.pending);
            let open = known.earlier.iter().find_map(|(nonce, has)| {
                ((mined..=pending).contains(nonce) && (*has || *nonce == pending)).then_some(*nonce)
            });
            // What was mined and did not settle it was a batch in which its own transfer failed, or a call that reverted.
            let failed = known.earlier.iter().any(|(nonce, has)| *has && *nonce < mined);
            if known.has_code || failed {
                self.loners.add(&candidate.payload.authorization.from);
            }
            fit.push((candidate, open, known.has_code || failed));
        }
        // The loners go by themselves, and are only kept if nobody else is here.
        if fit.len() > 1 && fit.iter().any(|(.., alone)| !alone) {
            for (candidate, ..) in fit.extract_if(.., |(.., alone)| *alone) {
                candidate.entry.refuse(ChainError::Busy);
            }
        } else {
            for (candidate, ..) in fit.drain(1.min(fit.len())..) {
                candidate.entry.refuse(ChainError::Busy);
            }
        }
        // A transaction has one nonce: whoever would replace another one comes again.
        let target = fit.iter().filter_map(|(_, open, _)| *open).min();
        for (candidate, open, _) in fit {
            if open.is_none() || open == target {
                candidates.push(candidate);
            } else {
                candidate.entry.refuse(ChainError::Busy);
            }
        }
        tracing::trace!(signer = %account.name, fit = candidates.len(), ?target, "table sorted out");
        target
    }

    /// The call of the transaction: the one payment's own, or one for each in a batch.
    fn call_for(candidates: &[Candidate]) -> Way {
        if let [only] = candidates {
            return only.way.clone();
        }
        let parts = candidates.iter().map(|candidate| Part {
            target: candidate.way.to,
            may_fail: true,
            input: candidate.way.input.clone(),
        });
        let each = u64::try_from(candidates.len()).unwrap_or(u64::MAX).saturating_mul(BATCH_GAS_EACH);
        Way {
            to: MULTICALL3,
            input: multicall::calldata(parts.collect()),
            gas: each.saturating_add(BATCH_GAS),
        }
    }
}

/// What was told about a candidate.
struct Known {
    trial: Called,
    has_code: bool,
    earlier: Vec<(u64, bool)>,
}

impl Asked {
    fn told(self, told: &mut Told) -> Result<Known, ChainError> {
        let earlier = self.earlier.into_iter().map(|(nonce, slot)| Ok((nonce, told.of(slot)?)));
        let earlier = earlier.collect::<Result<_, ChainError>>()?;
        let has_code = !told.of(self.code)?.is_empty();
        let trial = self.trial_with_deployment.filter(|_| !has_code).unwrap_or(self.trial);
        Ok(Known { earlier, trial: told.of(trial)?, has_code })
    }
}

impl Entry {
    fn refuse(self, error: ChainError) {
        drop(self.answer.send(Err(error)));
    }
}

fn refuse_all(candidates: Vec<Candidate>, error: &ChainError) {
    for candidate in candidates {
        candidate.entry.refuse(error.clone());
    }
}
