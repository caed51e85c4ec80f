//! Calls that a prepaid account pays for: the price is held before the API is asked, captured if it answers below 400, and
//! released if not.

use super::desk::{Desk, Job, Outcome, Paid};
use super::follow::LEASE;
use super::held::Settled;
use super::judge::Fate;
use super::presented::{Carried, Means, Presented, fingerprint};
use super::recall::Recall;
use super::{Notes, Price};
use crate::call::CallError;
use crate::call::api::Api;
use crate::call::request::ApiRequest;
use crate::call::upstream::ApiAnswer;
use crate::runtime::Room;
use http::StatusCode;
use http_body_util::BodyExt as _;
use std::sync::Arc;
use std::time::Duration;
use tollwire_gate::http::account_bill;
use tollwire_gate::{Charge, ChargeError, Gate};
use tollwire_x402::SessionId;

/// What a 402 of an account that does not suffice is told apart by.
const EXHAUSTED: &str = "balance_exhausted";

/// How long a charge is held without a sign of life: longer than the call's row, so that it is there when the row is taken
/// over for what was answered.
const CHARGE_LEASE: Duration = LEASE.saturating_mul(2);

impl Desk {
    /// Answers a call of the account that a token is of.
    pub(super) async fn on_account(
        self: &Arc<Self>,
        token: &str,
        carried: &Carried,
        (api, price): (Arc<Api>, &Price),
        request: ApiRequest,
        recall: &Recall,
    ) -> Result<ApiAnswer, CallError> {
        let gate = self.accounts()?;
        let account = gate.account(token).map_err(|error| CallError::AccountRefused(error.to_string()))?;
        let fingerprint = fingerprint(api.id.as_str(), &request);
        let presented = Presented::of_account(&account, price.amount, carried.claim(), fingerprint)?;
        let (concluded, _) = self.attend(Job { presented, api, request }, recall).await?;
        let replayed = concluded.is_replayed();
        match &concluded.outcome {
            Outcome::Settled(held, Paid::Account { remaining }) => {
                Ok(held.answer(Some(Settled::Account(*remaining)), replayed))
            }
            Outcome::Unsettled(held) => Ok(held.answer(None, false)),
            Outcome::Short => bill(gate, &account).await,
            Outcome::Failed(error) => Err(error.clone()),
            Outcome::Settled(_, Paid::Payment(_)) | Outcome::Refused(_) => Err(CallError::CannotBePaid),
        }
    }

    fn accounts(&self) -> Result<&Arc<Gate>, CallError> {
        self.accounts
            .as_ref()
            .ok_or_else(|| CallError::AccountRefused("there are no accounts here".to_owned()))
    }

    /// Holds what a call on account costs; nothing for one that is paid otherwise.
    pub(super) async fn reserve(&self, job: &Job) -> Result<Option<Charge>, Outcome> {
        let Means::Account(account, price) = &job.presented.means else { return Ok(None) };
        let gate = self.accounts().map_err(Outcome::Failed)?;
        gate.charge(account, *price, CHARGE_LEASE).await.map(Some).map_err(|error| match error {
            ChargeError::Exhausted => Outcome::Short,
            ChargeError::Over(why) => Outcome::Failed(CallError::AccountRefused(why.to_string())),
            error => {
                tracing::warn!(%error, "an account cannot be charged");
                Outcome::Failed(CallError::StoreUnavailable)
            }
        })
    }

    /// Prolongs a charge while its call is made. What cannot be prolonged is held again when it is captured.
    pub(super) async fn prolong(&self, charge: &Charge) {
        let Some(gate) = &self.accounts else { return };
        if let Err(error) = gate.renew(charge, CHARGE_LEASE).await {
            tracing::debug!(%error, "a charge is not prolonged");
        }
    }

    /// Gives a charge back.
    pub(super) async fn give_back(&self, charge: Option<&Charge>) {
        let (Some(gate), Some(charge)) = (&self.accounts, charge) else { return };
        if let Err(error) = gate.release(charge).await {
            tracing::warn!(%error, "a charge returns when its lease is over");
        }
    }

    /// Captures a charge.
    pub(super) async fn capture(&self, charge: &Charge) -> Fate {
        let Some(gate) = &self.accounts else { return Fate::Unknown };
        match gate.capture(charge, CHARGE_LEASE).await {
            Ok(captured) => Fate::Settled(Paid::Account { remaining: captured.remaining }),
            Err(ChargeError::Exhausted) => Fate::Short,
            Err(ChargeError::Over(why)) => Fate::Over(why.to_string()),
            Err(error) => {
                tracing::warn!(%error, "the ledger does not say what became of a charge");
                Fate::Unknown
            }
        }
    }
}

/// The 402 with which an account can be topped up.
async fn bill(gate: &Gate, account: &SessionId) -> Result<ApiAnswer, CallError> {
    let (head, body) = account_bill(gate, account).await.into_parts();
    if head.status != StatusCode::PAYMENT_REQUIRED {
        return Err(CallError::CannotBePaid);
    }
    let Ok(body) = body.collect().await;
    Ok(ApiAnswer {
        status: head.status,
        headers: head.headers,
        body: body.to_bytes(),
        room: Room::default(),
        chunks: None,
        notes: Notes { reason: Some(EXHAUSTED), ..Notes::default() },
    })
}
