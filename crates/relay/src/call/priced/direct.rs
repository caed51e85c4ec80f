//! Payments for something else than a call of an API, by the same rules: a payment is known by what its chain takes only once,
//! and whatever it was presented for first is all that it ever pays for, be it a call or this.

use super::Price;
use super::desk::Paid;
use super::judge::{Fate, fate};
use super::offers::Served;
use super::owned::{Owned, Wanted};
use super::presented::{Hash, Means, Presented};
use super::reconcile::parsed;
use super::row::PaidCall;
use super::run::{SETTLE_WITHIN, VERIFY_WITHIN};
use crate::call::CallError;
use crate::relay::Payments;
use crate::store::{Rows, StoreError};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tollwire_ledger::Clock;
use tollwire_x402::facilitator::{Failure, Request, VerifyResponse};
use tollwire_x402::v2::ResourceInfo;
use tollwire_x402::{Bill, Facilitator, Payment};

/// How long whoever presents a payment holds its row; nobody else ever wants it.
const HELD_FOR: Duration = Duration::from_secs(60);

/// Takes payments.
pub(crate) struct Cashier {
    served: Served,
    facilitator: Arc<dyn Facilitator>,
    /// Whether it answers the same payment the same, however often it is asked.
    remembers: bool,
    rows: Arc<dyn Rows>,
    clock: Arc<dyn Clock>,
    offer_timeout_secs: u64,
}

/// Why a payment is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// It is not good, or not for this: another one may be.
    Refused(String),
    /// That cannot be found out now: the same one again.
    NotNow(String),
}

/// What became of a payment that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Settling {
    /// The money moved, in this transaction.
    Done(String),
    /// It did not and will not: why, for people.
    Refused(String),
    /// Nobody knows yet.
    Unknown,
}

impl Cashier {
    pub(crate) fn new(payments: &Payments, rows: Arc<dyn Rows>, offer_timeout_secs: u64) -> Self {
        Self {
            served: Served::by(Arc::clone(&payments.facilitator)),
            facilitator: Arc::clone(&payments.facilitator),
            remembers: payments.remembers,
            rows,
            clock: Arc::clone(&payments.clock),
            offer_timeout_secs,
        }
    }

    /// What a payment has to answer: the v2 object, as JSON.
    pub(crate) async fn required(&self, price: &Price, resource: ResourceInfo) -> Result<String, CallError> {
        let offers = self.served.offers(price, self.offer_timeout_secs).await?;
        let offers = self.served.dated(offers).await.into_iter().map(|offer| offer.requirements).collect();
        let bill = Bill::new(resource, offers, None, None);
        serde_json::to_string(&bill.required).map_err(|_| CallError::CannotBePaid)
    }

    /// Takes a payment, written as JSON, for one purpose and for no other; with what has to be settled, to be written down
    /// before it is. Taken again for the same purpose it is the same one.
    pub(crate) async fn take(
        &self,
        payment: &str,
        (price, resource): (&Price, &ResourceInfo),
        purpose: &str,
    ) -> Result<String, NotTaken> {
        let refused = |why: &str| NotTaken::Refused(why.to_owned());
        let payment = serde_json::from_str(payment)
            .map(|payment| Payment::V2(Box::new(payment)))
            .map_err(|_| refused("payment: send an x402 payload of version 2"))?;
        let not_now = |error: CallError| NotTaken::NotNow(error.to_string());
        let offers = self.served.offers(price, self.offer_timeout_secs).await.map_err(not_now)?;
        let fingerprint: Hash =
            Sha256::new().chain_update("purpose\0").chain_update(purpose).finalize().into();
        let presented = Presented::read(&payment, None, &offers, resource, fingerprint)
            .map_err(|unpaid| NotTaken::Refused(unpaid.message))?;
        let Means::Payment(request) = &presented.means else {
            return Err(refused("payment: send an x402 payload"));
        };
        let owned = self.claim(&presented).await?;
        match self.verify(request).await {
            Ok(()) => {}
            Err(why) => {
                if let Some(owned) = owned {
                    owned.release().await;
                }
                return Err(why);
            }
        }
        let raw = request.to_raw().ok().and_then(|raw| serde_json::to_string(&raw).ok());
        raw.ok_or_else(|| NotTaken::NotNow("the payment cannot be written down".to_owned()))
    }

    /// Claims a payment for what it is presented for; `None` if that was done before.
    async fn claim(&self, presented: &Presented) -> Result<Option<Owned>, NotTaken> {
        let not_now = |error: StoreError| NotTaken::NotNow(error.to_string());
        loop {
            let fresh = PaidCall::executing(presented, self.clock.now().after(HELD_FOR));
            let alias = presented.alias.clone();
            let wanted = Owned::want(&self.rows, &self.clock, &presented.key, None, alias, fresh);
            match wanted.await.map_err(not_now)? {
                Wanted::Ours(owned) => return Ok(Some(*owned)),
                Wanted::Gone => {}
                Wanted::Taken => return Err(NotTaken::Refused(CallError::IdentifierReused.to_string())),
                Wanted::Theirs(row) => {
                    let known = PaidCall::read(&row).map_err(not_now)?;
                    if known.is_of(presented) {
                        return Ok(None);
                    }
                    return Err(NotTaken::Refused(CallError::PaymentReused.to_string()));
                }
            }
        }
    }

    async fn verify(&self, request: &Request) -> Result<(), NotTaken> {
        match timeout(VERIFY_WITHIN, self.facilitator.verify(request.clone())).await {
            Ok(Ok(VerifyResponse { is_valid: true, .. })) => Ok(()),
            Ok(Ok(invalid)) => {
                let why = invalid.invalid_message.or(invalid.invalid_reason);
                Err(NotTaken::Refused(why.unwrap_or_else(|| "the payment is not good".to_owned())))
            }
            Ok(Err(Failure::Malformed(why) | Failure::Conflict(why) | Failure::Identifier(why))) => {
                Err(NotTaken::Refused(why))
            }
            failed => {
                tracing::warn!(?failed, "the facilitator does not verify");
                Err(NotTaken::NotNow("the facilitator does not answer".to_owned()))
            }
        }
    }

    /// Settles what was taken; `again` if that may have been tried before.
    pub(crate) async fn settle(&self, request: &str, again: bool) -> Settling {
        let Some(request) = parsed(request) else {
            tracing::error!("a payment that was written down cannot be read");
            return Settling::Unknown;
        };
        let answer = timeout(SETTLE_WITHIN, self.facilitator.settle(request)).await;
        let answer = answer.unwrap_or_else(|_| Err(Failure::Unreachable("no answer in time".to_owned())));
        match fate(answer, again, self.remembers) {
            Fate::Settled(Paid::Payment(settled)) => Settling::Done(settled.transaction),
            Fate::Refused(_, why) | Fate::Over(why) => Settling::Refused(why),
            Fate::Settled(Paid::Account { .. }) | Fate::Short | Fate::Unknown => Settling::Unknown,
        }
    }
}

impl std::fmt::Debug for Cashier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cashier").finish_non_exhaustive()
    }
}
