//! Deposits that were credited and are not final yet: watched until they are.
//!
//! A reorganisation may take away the block that a deposit was credited from. Then its session is frozen, and the log and a
//! metric say so: nothing is served, and nothing of it is paid to anybody, until the chain has the deposit again. We do our
//! part for that: its transactions are sent once more, and the token takes it once.

use super::answers::unexpected;
use super::pace::Pace;
use super::young::Walks;
use super::{Settler, Shared};
use crate::{Chain, ChainError, Firmness, SettleError};
use futures_util::stream::{StreamExt, TryStreamExt, iter};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tollwire_ledger::model::{Fate, Landing, Payment};
use tollwire_ledger::{Command, Outcome};
use tollwire_x402::PaymentId;

/// The most deposits watched at once in one process; those beyond are left for the next walk ([`super::young`]).
const WATCHED_MAX: usize = 65_536;

/// Longest pause between two looks at a deposit, in times of the first one.
const LOOK_MAX: u32 = 12;

/// How often in a row a deposit must be missing: one look may have met a node that lags.
const MISSES: u8 = 2;

/// What is watched. A process watches what it credited itself, and what it finds on its walks.
#[derive(Debug)]
pub(super) struct Watch {
    deposits: Mutex<HashMap<PaymentId, Due>>,
    /// First pause between two looks at a deposit.
    every: Duration,
    pub(super) walks: Walks,
}

#[derive(Debug, Clone, Copy)]
struct Due {
    at: Instant,
    pace: Pace,
    /// How often in a row it was missing.
    misses: u8,
}

impl Watch {
    /// `every` is the first pause between two looks at a deposit; it doubles.
    pub(super) fn new(every: Duration) -> Self {
        Self { deposits: Mutex::default(), every, walks: Walks::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PaymentId, Due>> {
        self.deposits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pace(&self) -> Pace {
        Pace::new(self.every, self.every.saturating_mul(LOOK_MAX))
    }

    /// Watches a deposit from now on. False if too many are watched.
    pub(super) fn add(&self, id: &PaymentId) -> bool {
        let mut deposits = self.lock();
        if deposits.contains_key(id) {
            return true;
        }
        if deposits.len() >= WATCHED_MAX {
            tracing::warn!(payment = %id, "too many deposits are not final; this one is not watched yet");
            return false;
        }
        let mut pace = self.pace();
        let at = Instant::now() + pace.step();
        deposits.insert(id.clone(), Due { at, pace, misses: 0 });
        true
    }

    /// Those that are due; their next look is set further off.
    fn due(&self) -> Vec<PaymentId> {
        let now = Instant::now();
        let mut due = Vec::new();
        for (id, entry) in self.lock().iter_mut() {
            if entry.at <= now {
                entry.at = now + entry.pace.step();
                due.push(id.clone());
            }
        }
        due
    }

    fn forget(&self, id: &PaymentId) {
        self.lock().remove(id);
    }

    /// It was missing once more: how often in a row. It is looked for soon again, and as long as it takes.
    fn missed(&self, id: &PaymentId) -> u8 {
        let fresh = self.pace();
        let mut deposits = self.lock();
        let Some(entry) = deposits.get_mut(id) else { return 0 };
        entry.misses = entry.misses.saturating_add(1);
        entry.pace = fresh;
        entry.at = Instant::now() + entry.pace.step();
        entry.misses
    }

    /// It is there.
    fn seen(&self, id: &PaymentId) {
        if let Some(entry) = self.lock().get_mut(id) {
            entry.misses = 0;
        }
    }
}

impl Settler {
    /// Looks at every credited deposit that is due and not final yet: freezes the session of one that the chain does not
    /// have any more, and thaws that of one which it has again. Now and then looks for deposits that nobody watches.
    /// Answers how many are still watched.
    pub async fn watch_once(&self) -> Result<usize, SettleError> {
        self.shared.find_young().await?;
        let looks = iter(self.shared.watch.due()).map(Ok);
        looks
            .try_for_each_concurrent(self.shared.config.reconcile_parallel, |id| async move {
                match self.shared.look_after(&id).await {
                    Err(SettleError::Chain(error)) => {
                        tracing::debug!(payment = %id, %error, "deposit not looked at");
                        Ok(())
                    }
                    looked => looked,
                }
            })
            .await?;
        let watched = self.shared.watch.lock().len();
        metrics::gauge!("tollwire_deposits_watched").set(u32::try_from(watched).unwrap_or(u32::MAX));
        Ok(watched)
    }
}

impl Shared {
    /// One look at a deposit.
    async fn look_after(&self, id: &PaymentId) -> Result<(), SettleError> {
        let Some(payment) = self.ledger.payment(id).await? else {
            self.watch.forget(id);
            return Ok(());
        };
        let Fate::Credited(landing) = &payment.fate else {
            self.watch.forget(id);
            return Ok(());
        };
        let network = payment.intent.network;
        let chain = self.chain(network).ok_or_else(|| ChainError::Unavailable(network.to_string()))?;
        match chain.firmness(&payment, landing).await? {
            Firmness::Final => {
                self.thaw(chain.as_ref(), id, &payment, landing.clone()).await?;
                self.watch.forget(id);
            }
            Firmness::Young => {
                self.watch.seen(id);
                self.thaw(chain.as_ref(), id, &payment, landing.clone()).await?;
            }
            Firmness::Moved(elsewhere) => {
                self.watch.seen(id);
                // What it cost was booked when it was credited.
                let landing = Landing { gas: landing.gas, ..elsewhere };
                self.thaw(chain.as_ref(), id, &payment, landing).await?;
            }
            Firmness::Gone => {
                if !payment.gone {
                    if self.watch.missed(id) < MISSES {
                        return Ok(());
                    }
                    self.freeze(chain.as_ref(), id, &payment).await?;
                }
                send_again(chain.as_ref(), id, &payment).await;
            }
        }
        Ok(())
    }

    async fn freeze(&self, chain: &dyn Chain, id: &PaymentId, payment: &Payment) -> Result<(), SettleError> {
        let session = payment.intent.session.clone();
        match self.ledger.apply(Command::Freeze { payment: id.clone(), session: session.clone() }).await? {
            Outcome::Done(_) => {
                tracing::warn!(
                    payment = %id, %session, amount = %payment.intent.amount,
                    "a reorganisation took this deposit away; its session is frozen until the chain has it again"
                );
                let claim = chain.info().claim.clone();
                metrics::counter!("tollwire_deposits_gone_total", "chain" => claim).increment(1);
                Ok(())
            }
            // Another process saw it too.
            Outcome::Replayed(_) => Ok(()),
            other => Err(unexpected("Freeze", &other)),
        }
    }

    /// Takes note of where a deposit is, if that is news, and thaws its session.
    async fn thaw(
        &self,
        chain: &dyn Chain,
        id: &PaymentId,
        payment: &Payment,
        landing: Landing,
    ) -> Result<(), SettleError> {
        if !payment.gone && payment.fate == Fate::Credited(landing.clone()) {
            return Ok(());
        }
        let (session, tx, block) = (payment.intent.session.clone(), landing.tx.clone(), landing.block);
        let command = Command::Thaw { payment: id.clone(), session: session.clone(), landing };
        let view = match self.ledger.apply(command).await? {
            Outcome::Done(view) => view,
            Outcome::Replayed(_) => return Ok(()),
            other => return Err(unexpected("Thaw", &other)),
        };
        if !payment.gone {
            tracing::info!(payment = %id, %tx, block, "a reorganisation moved this deposit");
            return Ok(());
        }
        let still_frozen = view.session.is_some_and(|session| session.is_frozen());
        tracing::info!(payment = %id, %session, %tx, block, still_frozen, "the deposit has landed again");
        let claim = chain.info().claim.clone();
        metrics::counter!("tollwire_deposits_back_total", "chain" => claim).increment(1);
        Ok(())
    }
}

/// It may land again as it was, if its nonces are free.
async fn send_again(chain: &dyn Chain, id: &PaymentId, payment: &Payment) {
    for attempt in &payment.attempts {
        if let Err(error) = chain.broadcast(attempt).await {
            tracing::debug!(payment = %id, tx = %attempt.tx, %error, "not sent again");
        }
    }
}
