//! What a person pays with, and what auto-pay may spend: one row each, changed by comparison alone, so that sessions of one
//! person that pay at once, on whichever brokers, never spend more in a day than the person allows.

use crate::store::{Rows, StoreError, read, rewrite};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use tollwire_ledger::Timestamp;
use tollwire_x402::{SessionId, Usdc};

/// Seconds of a day.
pub(super) const DAY: u64 = 86_400;

/// The most credits of one person; then no signed payment is taken before some are used. Jobs that are paid for at the same
/// moment may leave a few more: none is ever forgotten.
const CREDITS_MAX: usize = 100;

/// What auto-pay may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AutoPay {
    /// Whether it pays at all.
    pub enabled: bool,
    /// The most for one job.
    pub per_job: Usdc,
    /// The most in one day, by UTC.
    pub per_day: Usdc,
}

impl Default for AutoPay {
    fn default() -> Self {
        let dollars = |dollars: u64| Usdc::from_atomic(dollars * 1_000_000).unwrap_or_default();
        Self { enabled: false, per_job: dollars(10), per_day: dollars(50) }
    }
}

/// A payment whose agent failed after it had settled: it pays for a later job with the same agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credit {
    /// The job that it was for.
    pub job: String,
    /// The agent that was paid.
    pub agent: String,
    /// How much.
    pub amount: Usdc,
    /// The settlement.
    pub transaction: String,
    /// The job that takes it, if one does.
    #[serde(default)]
    pub taken: Option<String>,
}

/// A person's means.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Purse {
    /// The prepaid account.
    pub account: Option<SessionId>,
    /// What auto-pay may do.
    pub auto: AutoPay,
    /// The day that `spent` is about, counted from 1970-01-01.
    pub day: u64,
    /// What auto-pay has spent that day.
    pub spent: Usdc,
    /// Jobs of that day that may still turn out to cost nothing.
    pub open: BTreeMap<String, Usdc>,
    /// Payments made in vain.
    pub credits: Vec<Credit>,
}

impl Purse {
    fn at(&mut self, now: Timestamp) {
        let day = now.secs() / DAY;
        // A clock that steps back begins no day anew.
        if day > self.day {
            (self.day, self.spent) = (day, Usdc::ZERO);
            self.open.clear();
        }
    }

    /// Whether one more signed payment may turn out to be made in vain.
    pub fn has_room_for_a_credit(&self) -> bool {
        self.credits.len() < CREDITS_MAX
    }

    /// What auto-pay has spent on the day of `now`.
    pub fn spent_on(&self, now: Timestamp) -> Usdc {
        if now.secs() / DAY > self.day { Usdc::ZERO } else { self.spent }
    }

    fn spend(&mut self, job: &str, amount: Usdc, now: Timestamp) -> bool {
        self.at(now);
        match self.open.get(job).copied() {
            Some(before) if before == amount => return true,
            // It was asked for another price before a crash.
            Some(before) => {
                self.open.remove(job);
                self.spent = self.spent.checked_sub(before).unwrap_or_default();
            }
            None => {}
        }
        let after = self.spent.checked_add(amount).filter(|after| *after <= self.auto.per_day);
        let Some(after) = after.filter(|_| self.auto.enabled && amount <= self.auto.per_job) else {
            return false;
        };
        self.spent = after;
        self.open.insert(job.to_owned(), amount);
        true
    }
}

/// The purses of all people.
#[derive(Clone)]
pub struct Purses(Arc<dyn Rows>);

impl Purses {
    /// Kept in these rows.
    pub fn new(rows: Arc<dyn Rows>) -> Self {
        Self(rows)
    }

    /// A person's purse.
    pub async fn of(&self, person: &str) -> Result<Purse, StoreError> {
        read(self.0.row(&key(person)).await?.as_ref(), "a purse")
    }

    /// Changes a purse, however many do at once; what `change` leaves as it is is not written. It may be called more than
    /// once.
    pub async fn change<T: Send>(
        &self,
        person: &str,
        change: impl FnMut(&mut Purse) -> T + Send,
    ) -> Result<T, StoreError> {
        Ok(rewrite(&*self.0, (&key(person), "a purse"), change).await?.1)
    }

    /// Lets auto-pay spend an amount on a job, if the person's rules allow it; once per job of a day.
    pub async fn spend(
        &self,
        person: &str,
        job: &str,
        amount: Usdc,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.change(person, |purse| purse.spend(job, amount, now)).await
    }

    /// A job has cost what was spent on it.
    pub async fn settle(&self, person: &str, job: &str) -> Result<(), StoreError> {
        self.change(person, |purse| {
            let _amount = purse.open.remove(job);
        })
        .await
    }

    /// A job has cost nothing: what was spent on it that day may be spent again.
    pub async fn release(&self, person: &str, job: &str) -> Result<(), StoreError> {
        self.change(person, |purse| {
            if let Some(amount) = purse.open.remove(job) {
                purse.spent = purse.spent.checked_sub(amount).unwrap_or_default();
            }
        })
        .await
    }

    /// Keeps a payment that was made in vain; once per job.
    pub async fn keep(&self, person: &str, credit: Credit) -> Result<(), StoreError> {
        self.change(person, |purse| {
            if purse.credits.iter().all(|kept| kept.job != credit.job) {
                purse.credits.push(credit.clone());
            }
        })
        .await
    }

    /// A payment that a job was given up for was not made in vain after all: the job was taken up again after a crash, and done.
    pub async fn withdraw(&self, person: &str, job: &str) -> Result<(), StoreError> {
        self.change(person, |purse| purse.credits.retain(|kept| kept.job != job || kept.taken.is_some()))
            .await
    }

    /// Takes a payment that was made in vain for a job with the same agent and the same price; the same one again for the
    /// same job.
    pub async fn take(
        &self,
        person: &str,
        (agent, amount): (&str, Usdc),
        job: &str,
    ) -> Result<Option<Credit>, StoreError> {
        self.change(person, |purse| {
            let is_such = |credit: &Credit| credit.agent == agent && credit.amount == amount;
            let is_ours = |credit: &Credit| credit.taken.as_deref() == Some(job);
            // What it took before a crash at another price is free again.
            for other in purse.credits.iter_mut().filter(|credit| is_ours(credit) && !is_such(credit)) {
                other.taken = None;
            }
            let is_free =
                |credit: &&mut Credit| is_such(credit) && (credit.taken.is_none() || is_ours(credit));
            let ours = purse.credits.iter().position(|credit| is_such(credit) && is_ours(credit));
            let credit = match ours {
                Some(at) => purse.credits.get_mut(at),
                None => purse.credits.iter_mut().find(is_free),
            };
            let credit = credit?;
            credit.taken = Some(job.to_owned());
            Some(credit.clone())
        })
        .await
    }

    /// What a job has taken is used up (`true`), or there again.
    pub async fn used(&self, person: &str, job: &str, used: bool) -> Result<(), StoreError> {
        self.change(person, |purse| {
            let is_ours = |credit: &Credit| credit.taken.as_deref() == Some(job);
            if used {
                purse.credits.retain(|credit| !is_ours(credit));
            } else if let Some(credit) = purse.credits.iter_mut().find(|credit| is_ours(credit)) {
                credit.taken = None;
            }
        })
        .await
    }
}

impl std::fmt::Debug for Purses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Purses").finish_non_exhaustive()
    }
}

fn key(person: &str) -> String {
    format!("orchestrator/purse/{person}")
}
