//! More units for a session: over HTTP, or as the answer to a notice within its stream.

use super::Payer;
use super::exchange::Verdict;
use crate::endpoint::Endpoint;
use crate::payment::{Payment, Purpose};
use crate::session::{Session, TopUpState};
use crate::{Error, Receipt};
use http::Method;
use std::sync::Arc;
use tollwire_x402::v2::PaymentRequired;
use tollwire_x402::{StreamId, Usdc};

/// Where sessions are topped up.
const ROUTE: &str = "/session/top-up";

/// What a top-up did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToppedUp {
    /// What it cost.
    pub paid: Usdc,
    /// Units left after it.
    pub units: u64,
    /// The usage receipt that came with it, if it did and verified.
    pub receipt: Option<Receipt>,
}

/// A signed notice that a session's balance is low.
pub(crate) struct Notice {
    pub(crate) bill: PaymentRequired,
    /// When the facilitator signed it, in seconds since the epoch.
    pub(crate) signed_at: u64,
}

impl Payer {
    /// Buys more units for a session, on the terms of its first bill. Its streams go on.
    ///
    /// If an earlier top-up of it ended undecided, that payment is collected instead. Dropping the future loses nothing.
    pub async fn top_up(&self, session: &mut Session) -> Result<ToppedUp, Error> {
        let account = Arc::clone(&session.account);
        let mut state = account.top_up.lock().await;
        let refused = match self.top_up_once(session, &mut state).await {
            // The token may have expired; the session lives longer.
            Err(error @ Error::Status { status: 401 | 403, .. }) => error,
            outcome => return outcome,
        };
        match self.refresh(session).await {
            Ok(fresh) if fresh.jti == session.jti => session.update(fresh)?,
            _ => return Err(refused),
        }
        self.top_up_once(session, &mut state).await
    }

    async fn top_up_once(&self, session: &mut Session, state: &mut TopUpState) -> Result<ToppedUp, Error> {
        let payment = if let Some(payment) = &state.undecided {
            payment.clone()
        } else {
            let endpoint = session.route(ROUTE);
            let bill = self.bill_for(&Method::POST, &endpoint, Some(session)).await?;
            session.pinned.pin(&bill);
            let payment = self.sign_up_to_date(target(session, endpoint), bill, &session.pinned).await?;
            // Remembered before it leaves.
            state.undecided.insert(payment).clone()
        };
        match self.send(&payment, Some(session), &session.pinned).await {
            Verdict::Paid(later) => {
                state.decided(self.now(), None);
                let receipt = later.receipt.clone();
                session.update(*later)?;
                let receipt = match receipt {
                    Some(jws) => self.verified(session, &jws).await,
                    None => None,
                };
                Ok(ToppedUp { paid: payment.amount(), units: session.units_remaining, receipt })
            }
            Verdict::Refused(error) => {
                state.undecided = None;
                Err(error)
            }
            Verdict::Unknown(error) => Err(error),
        }
    }

    /// A receipt that came with something else: what does not verify is not worth failing for.
    pub(crate) async fn verified(&self, session: &Session, jws: &str) -> Option<Receipt> {
        match self.verify(session, jws).await {
            Ok(receipt) => Some(receipt),
            Err(error) => {
                tracing::warn!(%error, "a receipt does not verify");
                None
            }
        }
    }

    /// The payment that answers a notice on stream `by`, signed and remembered; `None` if there is no need for one:
    /// another is under way, or the notice is older than a top-up that another stream made.
    pub(crate) fn answer(
        &self,
        session: &Session,
        notice: Notice,
        by: &StreamId,
    ) -> Result<Option<Payment>, Error> {
        let Ok(mut state) = session.account.top_up.try_lock() else { return Ok(None) };
        let old = notice.signed_at <= state.credited && state.credited_by.as_ref() != Some(by);
        if old || state.undecided.is_some() {
            return Ok(None);
        }
        let target = target(session, session.route(ROUTE));
        let payment = self.sign(target, notice.bill, &session.pinned)?;
        Ok(Some(state.undecided.insert(payment).clone()))
    }

    /// Notes that a payment made within stream `by` has been credited. Whoever holds the lock is collecting the same
    /// payment, and notes it.
    pub(crate) fn credited(&self, session: &Session, payment: &Payment, by: &StreamId) {
        if let Ok(mut state) = session.account.top_up.try_lock()
            && state.undecided.as_ref().is_some_and(|undecided| undecided.claim == payment.claim)
        {
            state.decided(self.now(), Some(by.clone()));
        }
    }
}

impl TopUpState {
    fn decided(&mut self, now: u64, by: Option<StreamId>) {
        *self = Self { undecided: None, credited: now, credited_by: by };
    }
}

fn target(session: &Session, endpoint: Endpoint) -> (Endpoint, Purpose) {
    (endpoint, Purpose::TopUp(session.jti.clone()))
}
