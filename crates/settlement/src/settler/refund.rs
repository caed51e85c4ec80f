//! Refunds: what remains of a session that is over goes back to its payer, once.
//!
//! The ledger takes the units out of the balance before anything is sent (`Refund`), so that nobody can use them any
//! more; from then on the refund is owed until the chain shows that it arrived. Its transactions are made, remembered
//! and broadcast like those of payments ([`super::payback`]).

use super::{Settler, Shared, unexpected};
use crate::dues::refundable;
use crate::{Chain, ChainError, SettleError};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tollwire_ledger::model::{Refund, RefundFate, RefundId, RefundOrder, Session};
use tollwire_ledger::{Command, Outcome};
use tollwire_x402::SessionId;

/// Refunds read from the ledger at once.
const PAGE: usize = 128;

/// How often an order is reckoned anew when the session changed meanwhile.
const ORDER_TRIES: u32 = 5;

/// Refunds that a task of this process works on.
#[derive(Debug, Default)]
pub(super) struct PayingBack(Mutex<HashSet<RefundId>>);

/// A refund's place in [`PayingBack`]; it leaves when this is dropped.
pub(super) struct Place {
    shared: Arc<Shared>,
    id: RefundId,
}

impl PayingBack {
    fn lock(&self) -> MutexGuard<'_, HashSet<RefundId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.paying_back.lock().remove(&self.id);
    }
}

impl Settler {
    /// Refunds what remains of a session, if anything does and the ledger allows it, and puts a task on it. Answers with
    /// the session's newest refund: this one, or the last one made; `None` if it has none.
    ///
    /// However often and wherever this is asked, what remains is refunded once. The amount is what the remaining units
    /// were paid with, less what the transaction is estimated to cost now.
    pub async fn refund(&self, session: &SessionId) -> Result<Option<(RefundId, Refund)>, SettleError> {
        let ledger = &self.shared.ledger;
        for _ in 0..ORDER_TRIES {
            let row = ledger.session(session).await?.ok_or(SettleError::Unknown)?;
            if row.remaining() == 0 || row.held() > 0 {
                return self.last_refund(session, &row).await;
            }
            let order = self.order(&row).await?;
            let id = RefundId { session: session.clone(), number: order.number };
            let command = Command::Refund { session: session.clone(), refund: Box::new(order) };
            match ledger.apply(command).await? {
                Outcome::Done(view) => {
                    let refund = *view.refund.ok_or_else(|| incomplete("Refund"))?;
                    let order = &refund.order;
                    tracing::info!(refund = %id, amount = %order.amount(), gas = %order.gas, "refund ordered");
                    // If it cannot be worked on now, the reconciler does it later.
                    if let Err(error) = self.shared.start_payback(&id, &refund) {
                        tracing::debug!(refund = %id, %error, "refund left for later");
                    }
                    return Ok(Some((id, refund)));
                }
                Outcome::Replayed(view) => {
                    let refund = *view.refund.ok_or_else(|| incomplete("Refund"))?;
                    return Ok(Some((id, refund)));
                }
                // It changed since it was read, or its time has not come.
                Outcome::Conflict => {}
                other => return Err(unexpected("Refund", &other)),
            }
        }
        let row = ledger.session(session).await?.ok_or(SettleError::Unknown)?;
        self.last_refund(session, &row).await
    }

    /// A session's newest refund.
    async fn last_refund(
        &self,
        session: &SessionId,
        row: &Session,
    ) -> Result<Option<(RefundId, Refund)>, SettleError> {
        if row.refunds == 0 {
            return Ok(None);
        }
        let id = RefundId { session: session.clone(), number: row.refunds };
        Ok(self.shared.ledger.refund(&id).await?.map(|refund| (id, refund)))
    }

    /// What would be paid back of a session as it stands.
    async fn order(&self, row: &Session) -> Result<RefundOrder, SettleError> {
        let contradictory = || {
            SettleError::Store(tollwire_ledger::Error::Corrupt(
                "a session's numbers contradict each other".into(),
            ))
        };
        let chain = self
            .chain(row.network)
            .ok_or_else(|| ChainError::CannotPay(format!("no chain is configured for {}", row.network)))?;
        let value = refundable(row).ok_or_else(contradictory)?;
        let gas = chain.outgoing_gas(&row.payer).await?.min(value);
        Ok(RefundOrder {
            number: row.refunds.checked_add(1).ok_or_else(contradictory)?,
            units: row.remaining(),
            bought: row.bought,
            captured: row.captured,
            value,
            gas,
            network: row.network,
            asset: chain.info().asset.clone(),
            from: chain.info().deposit_wallet.clone(),
            to: row.payer.clone(),
        })
    }

    /// Waits until a refund is no longer pending, at most `wait`, and has it pursued meanwhile. As it stands then.
    pub async fn await_refund(&self, id: &RefundId, wait: Duration) -> Result<Refund, SettleError> {
        let deadline = Instant::now() + wait;
        let mut pace = self.shared.pace();
        loop {
            let refund = self.shared.ledger.refund(id).await?.ok_or(SettleError::Unknown)?;
            if refund.fate != RefundFate::Pending {
                return Ok(refund);
            }
            // If it cannot be worked on now, the reconciler does it later.
            if let Err(error) = self.shared.start_payback(id, &refund) {
                tracing::debug!(refund = %id, %error, "refund left for later");
            }
            if tokio::time::timeout_at(deadline, pace.rest()).await.is_err() {
                return Ok(refund);
            }
        }
    }

    /// Puts a task on every refund that is pending and has none. Answers how many are pending.
    pub(super) async fn reconcile_refunds(&self) -> Result<usize, SettleError> {
        let (mut after, mut pending) = (None, 0_usize);
        loop {
            let page = self.shared.ledger.refunds_in_doubt(after.as_ref(), PAGE).await?;
            pending = pending.saturating_add(page.len());
            for (id, refund) in &page {
                match self.shared.start_payback(id, refund) {
                    Err(SettleError::Busy) => break, // Paying callers come first; the next walk goes on.
                    other => other?,
                }
            }
            match page.last() {
                Some((last, _)) if page.len() >= PAGE => after = Some(last.clone()),
                _ => break,
            }
        }
        metrics::gauge!("tollwire_refunds_in_doubt").set(u32::try_from(pending).unwrap_or(u32::MAX));
        Ok(pending)
    }
}

impl Shared {
    /// Puts a task on a refund, unless it has one or needs none.
    fn start_payback(self: &Arc<Self>, id: &RefundId, refund: &Refund) -> Result<(), SettleError> {
        if refund.fate != RefundFate::Pending {
            return Ok(());
        }
        let permit = self.in_flight.permit()?;
        {
            let mut working = self.paying_back.lock();
            if working.contains(id) {
                return Ok(());
            }
            if working.len() >= self.config.refunds_parallel.max(1) {
                return Err(SettleError::Busy);
            }
            working.insert(id.clone());
        }
        let place = Place { shared: self.clone(), id: id.clone() };
        self.in_flight.spawn(async move {
            let _permit = permit;
            place.shared.pay_back(&place.id).await;
        })
    }
}

/// Counts how a refund's step came out.
pub(super) fn count(chain: &dyn Chain, outcome: &'static str) {
    let claim = chain.info().claim.clone();
    metrics::counter!("tollwire_refunds_total", "chain" => claim, "outcome" => outcome).increment(1);
}

/// A store that leaves out the refund it was asked about is not to be trusted further.
pub(super) fn incomplete(command: &'static str) -> SettleError {
    let detail = format!("{command} was answered without the refund");
    SettleError::Store(tollwire_ledger::Error::Corrupt(detail))
}
