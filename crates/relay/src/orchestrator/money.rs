//! What a job costs, on its way from the person: asked for or covered, held or settled before the agent is asked, and taken for
//! good or given back once it has answered.

use super::audit::{self, Detail, What};
use super::ids;
use super::inner::Inner;
use super::purse::Credit;
use super::record::{Bill, Choice, Done, Job, Money};
use super::say::dollars;
use super::steps::{Outcome, Whose};
use super::words::REVOKED;
use crate::call::{NotTaken, Settling};
use crate::store::StoreError;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;
use tollwire_gate::{Charge, ChargeError};
use tollwire_x402::v2::ResourceInfo;

/// What a balance is called in `PAYMENT_SUCCESSFUL`.
const BALANCE: &str = "balance";

/// What a payment is called that was signed for this job alone.
const SIGNED: &str = "signed";

/// What a payment that was made in vain before is called.
const CREDIT: &str = "credit";

/// How long until a store or a facilitator that did not answer is asked again, from first to last; doubled every time.
const ASK_AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// How much longer than an agent may work its charge is held.
const MARGIN: Duration = Duration::from_secs(90);

/// What is to be done about a job's money once its agent is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Something,
}

/// Whether anything is.
pub(super) const fn due(job: &Job) -> Due {
    if job.money.is_some() { Due::Something } else { Due::Nothing }
}

/// What an agent is told of the payment for its job; nothing for one that costs nothing.
pub(super) fn told(job: &Job) -> Option<Value> {
    let (money, choice, bill) = (job.money.as_ref()?, job.choice.as_ref()?, job.bill.as_ref()?);
    let source = match money {
        Money::Account { .. } => BALANCE,
        Money::Signed { .. } => SIGNED,
        Money::Credit => CREDIT,
    };
    Some(json!({ "id": bill.id, "amount_usdc": dollars(choice.price), "source": source }))
}

/// What a person who is asked pays for.
pub(super) fn resource(inner: &Inner, session: &str, choice: &Choice) -> ResourceInfo {
    ResourceInfo {
        url: format!("{}/api/sessions/{session}", inner.public_url),
        description: Some(choice.description.clone()),
        mime_type: None,
    }
}

/// Is the price covered, or has the person to be asked?
pub(super) async fn ask(inner: &Inner, whose: &Whose, job: &Job, choice: &Choice) -> Outcome {
    match try_to_cover(inner, whose, job, choice).await {
        Ok(outcome) => outcome,
        Err(error) => {
            tracing::warn!(%error, "a price cannot be asked for");
            Outcome::Failed("the store does not answer; say it again".to_owned())
        }
    }
}

async fn try_to_cover(
    inner: &Inner,
    whose: &Whose,
    job: &Job,
    choice: &Choice,
) -> Result<Outcome, StoreError> {
    if !whose.may(inner).await? {
        return Ok(Outcome::Failed(REVOKED.to_owned()));
    }
    let now = inner.now();
    let mut bill = Bill {
        id: ids::named(&format!("payment for {}", job.id)),
        amount: choice.price,
        expires: now.after(inner.limits.payment_wait),
        required: None,
        covered: true,
    };
    if inner.purses.take(&whose.person, (&choice.slug, choice.price), &job.id).await?.is_some() {
        return Ok(Outcome::Covered(bill, Money::Credit));
    }
    let purse = inner.purses.of(&whose.person).await?;
    let can_be_charged = inner.accounts.is_some() && purse.account.is_some();
    if can_be_charged
        && purse.auto.enabled
        && inner.purses.spend(&whose.person, &job.id, choice.price, now).await?
    {
        return Ok(Outcome::Covered(bill, Money::Account { charge: None }));
    }
    bill.covered = false;
    let agent = inner.agents.get(&choice.slug, now).await?;
    let price = agent.as_ref().and_then(|agent| agent.payable(choice.price));
    if let (Some(cashier), Some(price)) = (&inner.cashier, price) {
        match cashier.required(&price, resource(inner, &whose.session, choice)).await {
            Ok(required) => bill.required = Some(required),
            Err(error) => tracing::warn!(%error, "no signed payment can be asked for"),
        }
    }
    if bill.required.is_none() && !can_be_charged {
        let why = "This costs something, and there is nothing to pay it with: link a prepaid account.";
        return Ok(Outcome::Failed(why.to_owned()));
    }
    Ok(Outcome::Asked(bill))
}

/// Gives back what auto-pay or a credit may have been asked to cover a job with. Can be done again.
pub(super) async fn uncover(inner: &Inner, whose: &Whose, job: &Job) -> Result<(), StoreError> {
    inner.purses.release(&whose.person, &job.id).await?;
    inner.purses.used(&whose.person, &job.id, false).await
}

/// With what an approval pays: a signed payment, or the person's account. The error says, for people, what to send instead;
/// nothing has changed then.
pub(super) async fn approve(
    inner: &Inner,
    whose: &Whose,
    job: &Job,
    payment: Option<&str>,
) -> Result<Money, String> {
    let (Some(choice), Some(bill)) = (&job.choice, &job.bill) else {
        return Err("there is nothing to pay".to_owned());
    };
    let Some(payment) = payment else {
        let purse = inner.purses.of(&whose.person).await.map_err(|error| error.to_string())?;
        let can_be_charged = inner.accounts.is_some() && purse.account.is_some();
        let what = "there is no prepaid account: link one, or send a signed payment";
        return if can_be_charged { Ok(Money::Account { charge: None }) } else { Err(what.to_owned()) };
    };
    let agent = inner.agents.get(&choice.slug, inner.now()).await.map_err(|error| error.to_string())?;
    let price = agent.as_ref().and_then(|agent| agent.payable(choice.price));
    let (Some(cashier), Some(price), Some(_)) = (&inner.cashier, price, &bill.required) else {
        return Err("no signed payment is taken for this: approve without one".to_owned());
    };
    let purse = inner.purses.of(&whose.person).await.map_err(|error| error.to_string())?;
    if !purse.has_room_for_a_credit() {
        return Err("too many payments made in vain are waiting to be used: use those first".to_owned());
    }
    let resource = resource(inner, &whose.session, choice);
    let taken = cashier.take(payment, (&price, &resource), &format!("job {}", job.id)).await;
    match taken {
        Ok(request) => Ok(Money::Signed { request, doubts: 0, transaction: None }),
        Err(NotTaken::Refused(why) | NotTaken::NotNow(why)) => Err(why),
    }
}

/// Pays, from whatever was written down; `again` if that may have been tried before.
pub(super) async fn pay(inner: &Inner, whose: &Whose, job: &Job, again: bool) -> Outcome {
    match &job.money {
        Some(Money::Account { charge: None }) => hold(inner, whose, job).await,
        Some(Money::Signed { request, doubts, .. }) => {
            let (Some(cashier), doubts) = (&inner.cashier, *doubts) else {
                return doubtful("nobody settles here any more".to_owned()).await;
            };
            if doubts > 0 {
                sleep(again_after(doubts)).await;
            }
            match cashier.settle(request, again || doubts > 0).await {
                Settling::Done(transaction) => {
                    let settled = Detail { transaction: Some(&transaction), ..Detail::default() };
                    note(inner, whose, job, (What::PaymentSettled, settled)).await;
                    let money = Money::Signed {
                        request: request.clone(),
                        doubts,
                        transaction: Some(transaction.clone()),
                    };
                    Outcome::Paid(money, transaction, None)
                }
                Settling::Refused(why) => Outcome::Unpaid(why),
                Settling::Unknown => Outcome::InDoubt,
            }
        }
        Some(Money::Credit) => {
            let price = job.choice.as_ref().map(|choice| (choice.slug.as_str(), choice.price));
            let Some(price) = price else { return Outcome::Unpaid("no agent was chosen".to_owned()) };
            match inner.purses.take(&whose.person, price, &job.id).await {
                Ok(Some(credit)) => {
                    let taken = Detail { transaction: Some(&credit.transaction), ..Detail::default() };
                    note(inner, whose, job, (What::CreditTaken, taken)).await;
                    Outcome::Paid(Money::Credit, credit.transaction, Some(CREDIT))
                }
                Ok(None) => Outcome::Unpaid("the credit is used up".to_owned()),
                Err(error) => doubtful(error.to_string()).await,
            }
        }
        Some(Money::Account { charge: Some(_) }) | None => {
            Outcome::Unpaid("there is nothing to pay with".to_owned())
        }
    }
}

/// Writes down what became of a job's money, however long the log takes for it.
async fn note(inner: &Inner, whose: &Whose, job: &Job, fact: (What, Detail<'_>)) {
    let mut tries = 0_u32;
    while let Err(error) = audit::note(inner, whose, job, fact).await {
        tracing::warn!(%error, "what became of a payment waits to be written down");
        tries = tries.saturating_add(1);
        sleep(again_after(tries)).await;
    }
}

async fn doubtful(error: String) -> Outcome {
    tracing::warn!(%error, "a payment waits for its store");
    sleep(ASK_AGAIN.0).await;
    Outcome::InDoubt
}

/// Holds the price in the person's account. What a crash lets lapse has cost nothing.
async fn hold(inner: &Inner, whose: &Whose, job: &Job) -> Outcome {
    let purse = match inner.purses.of(&whose.person).await {
        Ok(purse) => purse,
        Err(error) => return doubtful(error.to_string()).await,
    };
    let (Some(gate), Some(account), Some(choice)) = (&inner.accounts, purse.account, &job.choice) else {
        return Outcome::Unpaid("there is no prepaid account".to_owned());
    };
    match gate.charge(&account, choice.price, lease(inner)).await {
        Ok(charge) => {
            let deposit = gate.deposit_of(&account).await.ok().flatten().unwrap_or_default();
            let held = Detail { account: Some(&account), transaction: Some(&deposit), ..Detail::default() };
            note(inner, whose, job, (What::PaymentHeld, held)).await;
            Outcome::Paid(Money::Account { charge: Some(charge) }, deposit, Some(BALANCE))
        }
        Err(ChargeError::Exhausted) => {
            Outcome::Unpaid("the prepaid account does not suffice: top it up".to_owned())
        }
        Err(ChargeError::Over(why)) => Outcome::Unpaid(why.to_string()),
        Err(error) => doubtful(error.to_string()).await,
    }
}

fn lease(inner: &Inner) -> Duration {
    inner.limits.invoke.saturating_add(MARGIN)
}

fn again_after(doubts: u32) -> Duration {
    let factor = 1_u32.checked_shl(doubts.saturating_sub(1)).unwrap_or(u32::MAX);
    ASK_AGAIN.0.saturating_mul(factor).min(ASK_AGAIN.1)
}

/// Takes what is held once the agent has done it, or gives back what was paid if it has not.
pub(super) async fn clear(inner: &Inner, whose: &Whose, job: &Job, done: &Done) -> Outcome {
    let mut tries = 0_u32;
    loop {
        let outcome = match done {
            Done::Output(output) => take(inner, whose, job, output).await,
            Done::Failed(_) => give_back(inner, whose, job).await.map(|()| Outcome::Cleared),
        };
        match outcome {
            Ok(outcome) => return outcome,
            Err(error) => {
                tracing::warn!(%error, "a job's payment waits for its store");
                tries = tries.saturating_add(1);
                sleep(again_after(tries)).await;
            }
        }
    }
}

async fn take(inner: &Inner, whose: &Whose, job: &Job, output: &str) -> Result<Outcome, StoreError> {
    let had = Detail { output: Some(output), ..Detail::default() };
    let what = match &job.money {
        Some(Money::Account { charge: Some(charge) }) => {
            if let Some(why) = capture(inner, charge).await? {
                inner.purses.release(&whose.person, &job.id).await?;
                let why_not = Detail { why: Some(&why), ..Detail::default() };
                audit::note(inner, whose, job, (What::PaymentReleased, why_not)).await?;
                return Ok(Outcome::Uncleared(why));
            }
            inner.purses.settle(&whose.person, &job.id).await?;
            What::PaymentCaptured
        }
        Some(Money::Credit) => {
            inner.purses.used(&whose.person, &job.id, true).await?;
            What::CreditUsed
        }
        Some(Money::Signed { .. }) => {
            inner.purses.withdraw(&whose.person, &job.id).await?;
            What::PaymentUsed
        }
        Some(Money::Account { charge: None }) | None => return Ok(Outcome::Cleared),
    };
    audit::note(inner, whose, job, (what, had)).await?;
    Ok(Outcome::Cleared)
}

/// Takes what is held; why it cannot be taken, if it cannot.
async fn capture(inner: &Inner, charge: &Charge) -> Result<Option<String>, StoreError> {
    let Some(gate) = &inner.accounts else {
        return Ok(Some("there are no prepaid accounts any more".to_owned()));
    };
    match gate.capture(charge, lease(inner)).await {
        Ok(_) => Ok(None),
        Err(ChargeError::Exhausted) => Ok(Some("the prepaid account does not suffice any more".to_owned())),
        Err(ChargeError::Over(why)) => Ok(Some(why.to_string())),
        Err(ChargeError::Store(error)) => Err(error),
        Err(error) => Err(StoreError::Unavailable(error.to_string())),
    }
}

/// Gives back what a job was paid with: what is held returns, what was settled pays for a later job. Can be done again.
pub(super) async fn give_back(inner: &Inner, whose: &Whose, job: &Job) -> Result<(), StoreError> {
    let mut detail = Detail::default();
    let what = match (&job.money, &job.choice) {
        (Some(Money::Account { charge }), _) => {
            if let (Some(charge), Some(gate)) = (charge, &inner.accounts)
                && let Err(error) = gate.release(charge).await
            {
                tracing::warn!(%error, "a charge returns when its lease is over");
            }
            inner.purses.release(&whose.person, &job.id).await?;
            if charge.is_none() {
                return Ok(());
            }
            What::PaymentReleased
        }
        (Some(Money::Signed { transaction: Some(transaction), .. }), Some(choice)) => {
            let credit = Credit {
                job: job.id.clone(),
                agent: choice.slug.clone(),
                amount: choice.price,
                transaction: transaction.clone(),
                taken: None,
            };
            inner.purses.keep(&whose.person, credit).await?;
            detail.transaction = Some(transaction);
            What::CreditKept
        }
        (Some(Money::Credit), _) => {
            inner.purses.used(&whose.person, &job.id, false).await?;
            What::CreditReturned
        }
        (Some(Money::Signed { .. }) | None, _) => return Ok(()),
    };
    audit::note(inner, whose, job, (what, detail)).await
}
