//! What became of people's money, in the audit log: names, amounts, transactions, and the hash of what was had for it. Never
//! content. An entry is written before its person is told, and once however often its step is made again after a crash.

use super::inner::Inner;
use super::record::{Job, Money};
use super::steps::Whose;
use crate::store::StoreError;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tollwire_x402::SessionId;

/// What became of it. What an account has lost is what was `payment_captured` of it; what was `payment_settled` is
/// `payment_used`, or `credit_kept` and later `credit_used`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// The price is held in an account.
    PaymentHeld,
    /// It is taken out of the account.
    PaymentCaptured,
    /// It is free again, in the account.
    PaymentReleased,
    /// A signed payment has moved it to the agent's wallet.
    PaymentSettled,
    /// The agent has done for it what it was for.
    PaymentUsed,
    /// The agent has not: it is good for another job.
    CreditKept,
    /// It is set aside for another job.
    CreditTaken,
    /// The agent has done that.
    CreditUsed,
    /// The agent has not done that either: it is good for yet another.
    CreditReturned,
}

impl What {
    const fn as_str(self) -> &'static str {
        match self {
            Self::PaymentHeld => "payment_held",
            Self::PaymentCaptured => "payment_captured",
            Self::PaymentReleased => "payment_released",
            Self::PaymentSettled => "payment_settled",
            Self::PaymentUsed => "payment_used",
            Self::CreditKept => "credit_kept",
            Self::CreditTaken => "credit_taken",
            Self::CreditUsed => "credit_used",
            Self::CreditReturned => "credit_returned",
        }
    }
}

/// What else is to be said of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Detail<'a> {
    /// The account in which it is held.
    pub(super) account: Option<&'a SessionId>,
    /// The transaction that moved it.
    pub(super) transaction: Option<&'a str>,
    /// What the agent has answered.
    pub(super) output: Option<&'a str>,
    /// Why it is not taken: our words, not an agent's.
    pub(super) why: Option<&'a str>,
}

#[derive(Serialize)]
struct Entry<'a> {
    at: u64,
    what: &'static str,
    person_id: &'a str,
    session_id: &'a str,
    job_id: &'a str,
    payment_id: Option<&'a str>,
    service_agent: &'a str,
    action: &'a str,
    /// Atomic units.
    amount: String,
    source: &'static str,
    /// Whether the person had set that it is paid without being asked for.
    auto_pay: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a SessionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tx_hash: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

/// Writes down what became of a job's money.
pub(super) async fn note(
    inner: &Inner,
    whose: &Whose,
    job: &Job,
    (what, detail): (What, Detail<'_>),
) -> Result<(), StoreError> {
    let (Some(choice), Some(money)) = (&job.choice, &job.money) else { return Ok(()) };
    let (source, auto_pay) = match money {
        Money::Account { .. } => ("balance", job.bill.as_ref().is_some_and(|bill| bill.covered)),
        Money::Signed { .. } => ("signed", false),
        Money::Credit => ("credit", false),
    };
    let entry = Entry {
        at: inner.now().millis(),
        what: what.as_str(),
        person_id: &whose.person,
        session_id: &whose.session,
        job_id: &job.id,
        payment_id: job.bill.as_ref().map(|bill| bill.id.as_str()),
        service_agent: &choice.slug,
        action: &choice.action,
        amount: choice.price.atomic().to_string(),
        source,
        auto_pay,
        account_id: detail.account,
        tx_hash: detail.transaction,
        code: detail.why,
        bytes: detail.output.map(str::len),
        sha256: detail.output.map(|output| hex::encode(Sha256::digest(output))),
    };
    let body = serde_json::to_vec(&entry)
        .map_err(|error| StoreError::Corrupt(format!("cannot encode an entry: {error}")))?;
    let once = format!("job {} {}", job.id, what.as_str());
    inner.bridge.inner().audit_once(once, body.into()).await
}
