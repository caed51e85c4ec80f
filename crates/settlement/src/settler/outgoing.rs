//! A refund's or a payout's way from its order to whom it is owed: prepare, attach, broadcast, observe, settle.
//!
//! A payment that is sent twice moves money once, because the token takes each authorization once. What we owe is sent
//! by a plain transfer, and nothing but us keeps it from moving twice. Three rules do, together:
//!
//! - Only what is attached is broadcast.
//! - A transaction is made in the knowledge of all attached before it, and the ledger attaches it only if that is still
//!   all (`made`), so a process that lost its lease meanwhile attaches nothing.
//! - The chain makes another only if at most one of all can land: under the account nonce of the one that still may, or
//!   once all are proven dead ([`Chain::prepare_outgoing`]).

use super::debt::{Attached, Debt};
use super::lease::Lease;
use super::timing::Timing;
use super::{Settler, Shared};
use crate::chain::Delivery;
use crate::{Chain, ChainError, SettleError};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tollwire_ledger::model::{Landing, Outgoing};

/// Pause before another transaction is tried, whatever became of the last try.
const NEXT_AFTER: Duration = Duration::from_secs(5);

/// Debts read from the ledger at once.
const PAGE: usize = 128;

/// Debts that a task of this process works on.
#[derive(Debug, Default)]
pub(super) struct Sending(Mutex<HashSet<Debt>>);

/// A debt's place in [`Sending`]; it leaves when this is dropped.
struct Place {
    shared: Arc<Shared>,
    debt: Debt,
}

impl Sending {
    fn lock(&self) -> MutexGuard<'_, HashSet<Debt>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.sending.lock().remove(&self.debt);
    }
}

/// What one look at a debt led to.
enum Step {
    /// Its fate is known.
    Known,
    /// Something was sent just now: look again at once.
    Sent,
    /// Nothing to do but wait.
    Wait,
}

impl Settler {
    /// Puts a task on every refund and payout that is pending and has none. Answers how many are pending.
    pub(super) async fn reconcile_debts(&self) -> Result<usize, SettleError> {
        let (mut after, mut refunds) = (None, 0_usize);
        loop {
            let page = self.shared.ledger.refunds_in_doubt(after.as_ref(), PAGE).await?;
            refunds = refunds.saturating_add(page.len());
            self.start_all(page.iter().map(|(id, _)| Debt::Refund(id.clone())))?;
            match page.last() {
                Some((last, _)) if page.len() >= PAGE => after = Some(last.clone()),
                _ => break,
            }
        }
        let (mut after, mut payouts) = (None, 0_usize);
        loop {
            let page = self.shared.ledger.payouts_in_doubt(after.as_ref(), PAGE).await?;
            payouts = payouts.saturating_add(page.len());
            self.start_all(page.iter().map(|(id, _)| Debt::Payout(id.clone())))?;
            match page.last() {
                Some((last, _)) if page.len() >= PAGE => after = Some(last.clone()),
                _ => break,
            }
        }
        metrics::gauge!("tollwire_refunds_in_doubt").set(u32::try_from(refunds).unwrap_or(u32::MAX));
        metrics::gauge!("tollwire_payouts_in_doubt").set(u32::try_from(payouts).unwrap_or(u32::MAX));
        Ok(refunds.saturating_add(payouts))
    }

    fn start_all(&self, debts: impl Iterator<Item = Debt>) -> Result<(), SettleError> {
        for debt in debts {
            match self.shared.start_outgoing(&debt) {
                Err(SettleError::Busy) => return Ok(()), // Paying callers come first; the next walk goes on.
                other => other?,
            }
        }
        Ok(())
    }
}

impl Shared {
    /// Puts a task on a debt, unless it has one.
    pub(super) fn start_outgoing(self: &Arc<Self>, debt: &Debt) -> Result<(), SettleError> {
        let permit = self.in_flight.permit()?;
        {
            let mut working = self.sending.lock();
            if working.contains(debt) {
                return Ok(());
            }
            let alike = working.iter().filter(|other| other.is_like(debt)).count();
            if alike >= self.config.outgoing_parallel.max(1) {
                return Err(SettleError::Busy);
            }
            working.insert(debt.clone());
        }
        let place = Place { shared: self.clone(), debt: debt.clone() };
        self.in_flight.spawn(async move {
            let _permit = permit;
            place.shared.deliver(&place.debt).await;
        })
    }

    /// Works on a debt, as its only worker anywhere, until its fate is known or patience ends.
    async fn deliver(&self, debt: &Debt) {
        let deadline = Instant::now() + self.config.patience;
        let mut pace = self.pace();
        let name = debt.to_string();
        loop {
            let (ledger, holder) = (self.ledger.as_ref(), self.config.holder.as_str());
            let taking = Lease::named(ledger, name.clone(), holder, self.config.lease);
            match tokio::time::timeout_at(deadline, taking).await {
                Ok(Ok(Some(lease))) => {
                    if self.deliver_while(lease, debt, deadline).await {
                        return;
                    }
                }
                // Another process works on it; whoever waits watches the ledger, and the reconciler comes again.
                Ok(Ok(None)) => return,
                Ok(Err(error)) => tracing::warn!(%debt, %error, "ledger does not answer"),
                Err(_elapsed) => return,
            }
            if tokio::time::timeout_at(deadline, pace.rest()).await.is_err() {
                return;
            }
        }
    }

    /// Works as long as the lease holds; false if it was lost.
    async fn deliver_while(&self, mut lease: Lease<'_>, debt: &Debt, deadline: Instant) -> bool {
        tokio::select! {
            biased;
            () = lease.keep() => {
                tracing::warn!(%debt, "lease lost; another process goes on");
                return false;
            }
            _end = tokio::time::timeout_at(deadline, self.work_on_debt(debt)) => {}
        }
        lease.give_back().await;
        true
    }

    /// Looks and acts, again and again, until the debt's fate is known.
    async fn work_on_debt(&self, debt: &Debt) {
        let mut pace = self.pace();
        let mut timing = Timing::new();
        loop {
            match self.debt_round(debt, &mut timing).await {
                Ok(Step::Known) | Err(SettleError::Unknown) => return,
                Ok(Step::Sent) => continue,
                Ok(Step::Wait) => {}
                Err(SettleError::Chain(ChainError::Busy)) => {
                    tracing::debug!(%debt, "the deposit wallet's turn is another's; waiting");
                }
                // Never evidence of anything: look again.
                Err(error) => tracing::warn!(%debt, %error, "step failed; will repeat"),
            }
            pace.rest().await;
        }
    }

    /// One look at a debt, and what it calls for.
    async fn debt_round(&self, debt: &Debt, timing: &mut Timing) -> Result<Step, SettleError> {
        let Some(owed) = debt.owed(self.ledger.as_ref()).await? else { return Ok(Step::Known) };
        let network = owed.network;
        let chain = self
            .chain(network)
            .ok_or_else(|| ChainError::CannotPay(format!("no chain is configured for {network}")))?;
        match chain.observe_outgoing(&owed).await? {
            Delivery::Landed(landing) => self.delivered(chain.as_ref(), debt, landing).await,
            Delivery::Clear if timing.attempt_due() => {
                self.next_transfer(chain.as_ref(), debt, &owed, timing).await
            }
            Delivery::Pending(_) if self.is_stuck(&owed) && timing.attempt_due() => {
                self.next_transfer(chain.as_ref(), debt, &owed, timing).await
            }
            Delivery::Clear => Ok(Step::Wait),
            Delivery::Pending(tx) => {
                if let Some(last) = owed.attempts.last()
                    && timing.resend_due()
                {
                    match chain.broadcast(last).await {
                        // That the nonce is another's now is proven deeper in the chain; until then it is awaited.
                        Err(ChainError::Superseded(why)) => {
                            tracing::debug!(%debt, tx, why, "not taken; waiting for proof");
                        }
                        other => other?,
                    }
                }
                Ok(Step::Wait)
            }
        }
    }

    /// Whether the last transaction has been out for so long that it wants outbidding.
    fn is_stuck(&self, owed: &Outgoing) -> bool {
        let Some(last) = owed.attempts.last() else { return false };
        let doublings = u32::try_from(owed.attempts.len().saturating_sub(1)).unwrap_or(u32::MAX).min(16);
        let patience = self.config.attempt_after.saturating_mul(1_u32 << doublings);
        owed.attempts.len() < Outgoing::ATTEMPTS_MAX / 2 && self.clock.now().since(last.at) >= patience
    }

    /// Makes a transaction, remembers it, and only then lets it out.
    async fn next_transfer(
        &self,
        chain: &dyn Chain,
        debt: &Debt,
        owed: &Outgoing,
        timing: &mut Timing,
    ) -> Result<Step, SettleError> {
        // What a payer is owed is the payer's in any case; a provider is paid while there is enough for all.
        if matches!(debt, Debt::Payout(_)) && owed.attempts.is_empty() && !self.is_covered(chain).await? {
            timing.attempted(NEXT_AFTER);
            return Ok(Step::Wait);
        }
        // What came in may be gone again: then nothing is sent back before the chain has it.
        if let Debt::Refund(id) = debt
            && self.ledger.session(&id.session).await?.is_some_and(|session| session.is_frozen())
        {
            timing.attempted(NEXT_AFTER);
            return Ok(Step::Wait);
        }
        let turn = chain.turn().await?;
        timing.attempted(NEXT_AFTER);
        let attempt = chain.prepare_outgoing(owed, turn.as_ref()).await?;
        match debt.attach(self.ledger.as_ref(), owed.attempts.len(), attempt.clone()).await? {
            Attached::Yes => {}
            Attached::Paid => return Ok(Step::Known),
            Attached::No => {
                tracing::warn!(%debt, "a transaction was not attached: there are others, or too many");
                return Ok(Step::Wait);
            }
        }
        match chain.broadcast(&attempt).await {
            Ok(()) => Ok(Step::Sent),
            Err(ChainError::Superseded(why)) => {
                tracing::warn!(%debt, tx = %attempt.tx, why, "its nonce was taken; waiting for proof");
                Ok(Step::Wait)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn delivered(&self, chain: &dyn Chain, debt: &Debt, landing: Landing) -> Result<Step, SettleError> {
        let (tx, gas) = (landing.tx.clone(), landing.gas);
        if debt.settle(self.ledger.as_ref(), landing).await? {
            let claim = chain.info().claim.clone();
            metrics::counter!(debt.metric(), "chain" => claim, "outcome" => "paid").increment(1);
            tracing::info!(%debt, %tx, %gas, "paid");
        }
        Ok(Step::Known)
    }
}
