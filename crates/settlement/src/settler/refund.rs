//! Refunds: what remains of a session that is over goes back to its payer, once.
//!
//! The ledger takes the units out of the balance before anything is sent (`Refund`), so that nobody can use them any
//! more; from then on the refund is owed until the chain shows that it arrived. Its transactions are made, remembered
//! and broadcast like those of payments ([`super::outgoing`]).

use super::Settler;
use super::answers::unexpected;
use super::debt::{self, Debt, broken};
use crate::dues::refundable;
use crate::{ChainError, SettleError};
use std::time::Duration;
use tokio::time::Instant;
use tollwire_ledger::model::{Refund, RefundFate, RefundId, RefundOrder, Session};
use tollwire_ledger::{Command, Outcome};
use tollwire_x402::SessionId;

/// How often an order is reckoned anew when the session changed meanwhile.
const ORDER_TRIES: u32 = 5;

impl Settler {
    /// Refunds what remains of a session, if anything does and the ledger allows it (of a frozen one it allows nothing), and
    /// puts a task on it. Answers with
    /// the session's newest refund: this one, or the last one made; `None` if it has none.
    ///
    /// However often and wherever this is asked, what remains is refunded once. The amount is what the remaining units
    /// were paid with, less what the transaction is estimated to cost now.
    pub async fn refund(&self, session: &SessionId) -> Result<Option<(RefundId, Refund)>, SettleError> {
        let ledger = &self.shared.ledger;
        for _ in 0..ORDER_TRIES {
            let row = ledger.session(session).await?.ok_or(SettleError::Unknown)?;
            if row.remaining() == 0 || row.held() > 0 || row.is_frozen() {
                return self.last_refund(session, &row).await;
            }
            let order = self.order(&row).await?;
            let id = RefundId { session: session.clone(), number: order.number };
            let command = Command::Refund { session: session.clone(), refund: Box::new(order) };
            match ledger.apply(command).await? {
                Outcome::Done(view) => {
                    let refund = debt::refund(view.refund, "Refund")?;
                    let order = &refund.order;
                    tracing::info!(refund = %id, amount = %order.amount(), gas = %order.gas, "refund ordered");
                    self.pursue_refund(&id, &refund);
                    return Ok(Some((id, refund)));
                }
                Outcome::Replayed(view) => {
                    return Ok(Some((id, debt::refund(view.refund, "Refund")?)));
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
        let contradictory = || broken("a session's numbers contradict each other");
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
            self.pursue_refund(id, &refund);
            if tokio::time::timeout_at(deadline, pace.rest()).await.is_err() {
                return Ok(refund);
            }
        }
    }

    /// If it cannot be worked on now, the reconciler does it later.
    fn pursue_refund(&self, id: &RefundId, refund: &Refund) {
        if refund.fate == RefundFate::Pending
            && let Err(error) = self.shared.start_outgoing(&Debt::Refund(id.clone()))
        {
            tracing::debug!(refund = %id, %error, "refund left for later");
        }
    }
}
