//! A refund's way from its order to the payer: prepare, attach, broadcast, observe, settle.
//!
//! A payment that is sent twice moves money once, because the token takes each authorization once. A refund is a plain
//! transfer, and nothing but us keeps it from moving twice. Three rules do, together:
//!
//! - Only what is attached is broadcast.
//! - A transaction is made in the knowledge of all attached before it, and the ledger attaches it only if that is still
//!   all (`made`), so a process that lost its lease meanwhile attaches nothing.
//! - The chain makes another only if at most one of all can land: under the account nonce of the one that still may, or
//!   once all are proven dead ([`Chain::prepare_outgoing`]).

use super::lease::Lease;
use super::refund::{count, incomplete};
use super::timing::Timing;
use super::{Shared, unexpected};
use crate::chain::Delivery;
use crate::{Chain, ChainError, SettleError};
use std::time::Duration;
use tokio::time::Instant;
use tollwire_ledger::model::{Landing, Outgoing, Refund, RefundFate, RefundId};
use tollwire_ledger::{Command, Outcome};

/// Pause before another transaction is tried, whatever became of the last try.
const NEXT_AFTER: Duration = Duration::from_secs(5);

/// What one look at a refund led to.
enum Step {
    /// Its fate is known.
    Known,
    /// Something was sent just now: look again at once.
    Sent,
    /// Nothing to do but wait.
    Wait,
}

impl Shared {
    /// Works on a refund, as its only worker anywhere, until its fate is known or patience ends.
    pub(super) async fn pay_back(&self, id: &RefundId) {
        let deadline = Instant::now() + self.config.patience;
        let mut pace = self.pace();
        let name = format!("refund:{id}");
        loop {
            let (ledger, holder) = (self.ledger.as_ref(), self.config.holder.as_str());
            let taking = Lease::named(ledger, name.clone(), holder, self.config.lease);
            match tokio::time::timeout_at(deadline, taking).await {
                Ok(Ok(Some(lease))) => {
                    if self.pay_back_while(lease, id, deadline).await {
                        return;
                    }
                }
                // Another process works on it; whoever waits watches the ledger, and the reconciler comes again.
                Ok(Ok(None)) => return,
                Ok(Err(error)) => tracing::warn!(refund = %id, %error, "ledger does not answer"),
                Err(_elapsed) => return,
            }
            if tokio::time::timeout_at(deadline, pace.rest()).await.is_err() {
                return;
            }
        }
    }

    /// Works as long as the lease holds; false if it was lost.
    async fn pay_back_while(&self, mut lease: Lease<'_>, id: &RefundId, deadline: Instant) -> bool {
        tokio::select! {
            biased;
            () = lease.keep() => {
                tracing::warn!(refund = %id, "lease lost; another process goes on");
                return false;
            }
            _end = tokio::time::timeout_at(deadline, self.work_on_refund(id)) => {}
        }
        lease.give_back().await;
        true
    }

    /// Looks and acts, again and again, until the refund's fate is known.
    async fn work_on_refund(&self, id: &RefundId) {
        let mut pace = self.pace();
        let mut timing = Timing::new();
        loop {
            match self.refund_round(id, &mut timing).await {
                Ok(Step::Known) | Err(SettleError::Unknown) => return,
                Ok(Step::Sent) => continue,
                Ok(Step::Wait) => {}
                Err(SettleError::Chain(ChainError::Busy)) => {
                    tracing::debug!(refund = %id, "the deposit wallet's turn is another's; waiting");
                }
                // Never evidence of anything: look again.
                Err(error) => tracing::warn!(refund = %id, %error, "refund step failed; will repeat"),
            }
            pace.rest().await;
        }
    }

    /// One look at a refund, and what it calls for.
    async fn refund_round(&self, id: &RefundId, timing: &mut Timing) -> Result<Step, SettleError> {
        let refund = self.ledger.refund(id).await?.ok_or(SettleError::Unknown)?;
        if refund.fate != RefundFate::Pending {
            return Ok(Step::Known);
        }
        let network = refund.order.network;
        let chain = self
            .chain(network)
            .ok_or_else(|| ChainError::CannotPay(format!("no chain is configured for {network}")))?;
        match chain.observe_outgoing(&refund.outgoing()).await? {
            Delivery::Landed(landing) => self.refunded(chain.as_ref(), id, landing).await,
            Delivery::Clear if timing.attempt_due() => {
                self.next_transfer(chain.as_ref(), id, &refund, timing).await
            }
            Delivery::Pending(_) if self.is_stuck(&refund) && timing.attempt_due() => {
                self.next_transfer(chain.as_ref(), id, &refund, timing).await
            }
            Delivery::Clear => Ok(Step::Wait),
            Delivery::Pending(tx) => {
                if let Some(last) = refund.attempts.last()
                    && timing.resend_due()
                {
                    match chain.broadcast(last).await {
                        // That the nonce is another's now is proven deeper in the chain; until then it is awaited.
                        Err(ChainError::Superseded(why)) => {
                            tracing::debug!(refund = %id, tx, why, "not taken; waiting for proof");
                        }
                        other => other?,
                    }
                }
                Ok(Step::Wait)
            }
        }
    }

    /// Whether the last transaction has been out for so long that it wants outbidding.
    fn is_stuck(&self, refund: &Refund) -> bool {
        let Some(last) = refund.attempts.last() else { return false };
        let doublings = u32::try_from(refund.attempts.len().saturating_sub(1)).unwrap_or(u32::MAX).min(16);
        let patience = self.config.attempt_after.saturating_mul(1_u32 << doublings);
        refund.attempts.len() < Outgoing::ATTEMPTS_MAX / 2 && self.clock.now().since(last.at) >= patience
    }

    /// Makes a transaction, remembers it, and only then lets it out.
    async fn next_transfer(
        &self,
        chain: &dyn Chain,
        id: &RefundId,
        refund: &Refund,
        timing: &mut Timing,
    ) -> Result<Step, SettleError> {
        let turn = chain.turn().await?;
        timing.attempted(NEXT_AFTER);
        let attempt = chain.prepare_outgoing(&refund.outgoing(), turn.as_ref()).await?;
        let command = Command::AttachRefund {
            session: id.session.clone(),
            number: id.number,
            made: u32::try_from(refund.attempts.len()).unwrap_or(u32::MAX),
            attempt: attempt.clone(),
        };
        match self.ledger.apply(command).await? {
            Outcome::Done(_) => {}
            Outcome::Replayed(view) => {
                let known = view.refund.ok_or_else(|| incomplete("AttachRefund"))?;
                if known.fate != RefundFate::Pending {
                    return Ok(Step::Known);
                }
            }
            Outcome::Conflict => {
                tracing::warn!(refund = %id, "a refund's transaction was not attached: there are others, or too many");
                return Ok(Step::Wait);
            }
            other => return Err(unexpected("AttachRefund", &other)),
        }
        match chain.broadcast(&attempt).await {
            Ok(()) => Ok(Step::Sent),
            Err(ChainError::Superseded(why)) => {
                tracing::warn!(refund = %id, tx = %attempt.tx, why, "refund's nonce was taken; waiting for proof");
                Ok(Step::Wait)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn refunded(
        &self,
        chain: &dyn Chain,
        id: &RefundId,
        landing: Landing,
    ) -> Result<Step, SettleError> {
        let (session, number) = (id.session.clone(), id.number);
        let (tx, gas) = (landing.tx.clone(), landing.gas);
        match self.ledger.apply(Command::SettleRefund { session, number, landing }).await? {
            Outcome::Done(_) => {
                count(chain, "paid");
                tracing::info!(refund = %id, %tx, %gas, "refund paid");
                Ok(Step::Known)
            }
            Outcome::Replayed(_) => Ok(Step::Known),
            other => Err(unexpected("SettleRefund", &other)),
        }
    }
}
