//! Deposits that were credited and are not final yet: watched until they are.
//!
//! A reorganisation may take away the block that a deposit was credited from. That is said, in the log and by a metric, and
//! we do our part to have the deposit land again: its transactions are sent once more, and the token takes it once.

use super::pace::Pace;
use super::{Settler, Shared};
use crate::{Chain, ChainError, Firmness, SettleError};
use futures_util::stream::{StreamExt, TryStreamExt, iter};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tollwire_ledger::model::{Fate, Payment};
use tollwire_x402::PaymentId;

/// The most deposits watched at once in one process; those beyond are not, and the log says so.
const WATCHED_MAX: usize = 65_536;

/// Longest pause between two looks at a deposit, in times of the first one.
const LOOK_MAX: u32 = 12;

/// How often in a row a deposit must be missing: one look may have met a node that lags.
const MISSES: u8 = 2;

/// What is watched. A process watches what it credited itself, as long as it lives.
#[derive(Debug)]
pub(super) struct Watch {
    deposits: Mutex<HashMap<PaymentId, Due>>,
    /// First pause between two looks at a deposit.
    every: Duration,
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
        Self { deposits: Mutex::default(), every }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PaymentId, Due>> {
        self.deposits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pace(&self) -> Pace {
        Pace::new(self.every, self.every.saturating_mul(LOOK_MAX))
    }

    /// Watches a deposit from now on.
    pub(super) fn add(&self, id: &PaymentId) {
        let mut deposits = self.lock();
        if deposits.len() >= WATCHED_MAX {
            tracing::warn!(payment = %id, "too many deposits are not final; this one is not watched");
            return;
        }
        let mut pace = self.pace();
        let at = Instant::now() + pace.step();
        deposits.entry(id.clone()).or_insert(Due { at, pace, misses: 0 });
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

    /// It is there; whether it had been said to be gone.
    fn seen(&self, id: &PaymentId) -> bool {
        let mut deposits = self.lock();
        deposits.get_mut(id).is_some_and(|entry| std::mem::take(&mut entry.misses) >= MISSES)
    }
}

impl Settler {
    /// Looks at every credited deposit that is due and not final yet, and reports those that the chain does not have any
    /// more, or has again. Answers how many are still watched.
    pub async fn watch_once(&self) -> Result<usize, SettleError> {
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
                self.back(chain.as_ref(), id, &landing.tx);
                self.watch.forget(id);
            }
            Firmness::Young => self.back(chain.as_ref(), id, &landing.tx),
            Firmness::Moved(elsewhere) => self.back(chain.as_ref(), id, &elsewhere.tx),
            Firmness::Gone => {
                let misses = self.watch.missed(id);
                if misses == MISSES {
                    report_gone(chain.as_ref(), id, &payment);
                }
                if misses >= MISSES {
                    send_again(chain.as_ref(), id, &payment).await;
                }
            }
        }
        Ok(())
    }

    /// The chain has it; says so if it had been gone.
    fn back(&self, chain: &dyn Chain, id: &PaymentId, tx: &str) {
        if self.watch.seen(id) {
            tracing::info!(payment = %id, %tx, "the deposit has landed again");
            let claim = chain.info().claim.clone();
            metrics::counter!("tollwire_deposits_back_total", "chain" => claim).increment(1);
        }
    }
}

fn report_gone(chain: &dyn Chain, id: &PaymentId, payment: &Payment) {
    let session = &payment.intent.session;
    tracing::warn!(
        payment = %id, %session, amount = %payment.intent.amount,
        "a reorganisation took this deposit away; its session was credited for it"
    );
    let claim = chain.info().claim.clone();
    metrics::counter!("tollwire_deposits_gone_total", "chain" => claim).increment(1);
}

/// It may land again as it was, if its nonces are free.
async fn send_again(chain: &dyn Chain, id: &PaymentId, payment: &Payment) {
    for attempt in &payment.attempts {
        if let Err(error) = chain.broadcast(attempt).await {
            tracing::debug!(payment = %id, tx = %attempt.tx, %error, "not sent again");
        }
    }
}
