//! What a payment must pass before it is recorded for a customer: its identifier, its size, quotas and budgets.

use super::customer::Customer;
use super::identifier::{self, KEPT_FOR};
use super::terms::{Minimum, QUOTA_WINDOW};
use crate::chain::BoxFuture;
use crate::settler::Guard;
use crate::{Chain, Refusal, SettleError};
use std::sync::OnceLock;
use tollwire_ledger::Ledger;
use tollwire_ledger::model::{Intent, payer_key};
use tollwire_ledger::spend::{Charge, Spent};
use tollwire_x402::facilitator::Failure;
use tollwire_x402::{PaymentId, Usdc, reason};

/// Why a payment that is in order is not settled.
#[derive(Debug, Clone)]
pub(super) enum Stop {
    /// A business answer.
    Refused(Refusal),
    /// No answer about the payment at all.
    Failed(Failure),
}

/// One payment on its way into the books.
pub(super) struct Toll<'a> {
    pub(super) customer: &'a Customer,
    pub(super) ledger: &'a dyn Ledger,
    pub(super) chain: &'a dyn Chain,
    pub(super) id: &'a PaymentId,
    pub(super) intent: &'a Intent,
    pub(super) identifier: Option<String>,
    pub(super) stop: OnceLock<Stop>,
}

impl Guard for Toll<'_> {
    fn admits(&self, known: bool) -> BoxFuture<'_, Result<bool, SettleError>> {
        Box::pin(async move {
            // In this order: what is refused for its identifier is charged to nobody.
            let stop = match self.identified().await? {
                None if known => None,
                None => self.charged().await?,
                stop => stop,
            };
            let admitted = stop.is_none();
            if let Some(stop) = stop {
                self.stop.get_or_init(|| stop);
            }
            Ok(admitted)
        })
    }
}

impl Toll<'_> {
    /// Binds the identifier to this payment, unless it is another's.
    async fn identified(&self) -> Result<Option<Stop>, SettleError> {
        let Some(identifier) = &self.identifier else { return Ok(None) };
        // Strangers without a key share nothing but the wallet they are paid to.
        let owner = self.customer.name.as_ref().map_or_else(|| payer_key(&self.intent.pay_to), Clone::clone);
        let name = format!("{}/{owner}/{identifier}", identifier::PAYMENT_IDENTIFIER);
        let holder = identifier::fingerprint(self.id, self.intent);
        if self.ledger.lease(&name, &holder, KEPT_FOR).await? {
            return Ok(None);
        }
        let text = "this payment-identifier belongs to another payment; use a new one";
        Ok(Some(Stop::Failed(Failure::Conflict(text.into()))))
    }

    async fn charged(&self) -> Result<Option<Stop>, SettleError> {
        let terms = &self.customer.terms;
        if let Some(refusal) =
            self.customer.too_small(self.chain, self.intent.amount, &self.intent.payer).await?
        {
            return Ok(Some(Stop::Refused(refusal)));
        }
        let gas =
            if terms.budgets_gas() { self.customer.gauge.estimate(self.chain).await? } else { Usdc::ZERO };
        let mut charges = Vec::new();
        let mut charge = |counter: String, amount, limit: Option<u64>| {
            charges.extend(limit.map(|limit| Charge { counter, amount, limit }));
        };
        let payer = format!("gas of {}", payer_key(&self.intent.payer));
        // Money first, so that a payer whose share is used up does not use up the account's.
        charge(payer, gas.atomic(), terms.gas_per_payer_per_day.map(Usdc::atomic));
        charge("gas".into(), gas.atomic(), terms.gas_per_day.map(Usdc::atomic));
        charge("settles".into(), 1, terms.settles_per_day);
        if charges.is_empty() {
            return Ok(None);
        }
        let names: Vec<String> = charges.iter().map(|charge| charge.counter.clone()).collect();
        let purse = format!("facilitator/{}", self.customer.name.as_deref().unwrap_or_default());
        match self.ledger.spend(&purse, self.id.as_str(), charges, QUOTA_WINDOW).await? {
            Spent::Done | Spent::Replayed => Ok(None),
            Spent::Short { charge, again_in } => Ok(Some(match names.get(charge).map(String::as_str) {
                Some("settles") => {
                    Stop::Failed(Failure::TooMany { reason: reason::QUOTA_EXHAUSTED, retry_after: again_in })
                }
                counter => {
                    let whose = if counter == Some("gas") { "this account" } else { "this payer" };
                    let message = format!(
                        "what settling for {whose} may cost today is used up; it starts anew in {} s",
                        again_in.as_secs()
                    );
                    let refusal = Refusal::new(reason::SPONSOR_BUDGET_EXHAUSTED, message);
                    Stop::Refused(refusal.by(self.intent.payer.clone()))
                }
            })),
        }
    }
}

impl Customer {
    /// Why this amount is too little to be settled, if it is.
    pub(super) async fn too_small(
        &self,
        chain: &dyn Chain,
        amount: Usdc,
        payer: &str,
    ) -> Result<Option<Refusal>, SettleError> {
        let least = match self.terms.minimum {
            Minimum::None => return Ok(None),
            Minimum::Amount(least) => least,
            Minimum::AboveGas => {
                let gas = self.gauge.estimate(chain).await?;
                gas.checked_add(Usdc::from_atomic(1).unwrap_or_default()).unwrap_or(Usdc::MAX)
            }
        };
        let message = || format!("the smallest payment settled here is {least} for now");
        let small = amount < least;
        Ok(small.then(|| Refusal::new(reason::AMOUNT_BELOW_MINIMUM, message()).by(payer)))
    }
}
