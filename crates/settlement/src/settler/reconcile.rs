//! The reconciler: finishes every payment in doubt, every refund and every payout, and has an eye on young deposits.

use super::inflight::End;
use super::pace::Pace;
use super::work::{Job, Mode};
use super::{Settler, Shared};
use crate::SettleError;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tollwire_x402::PaymentId;

/// Payments read from the ledger at once.
const PAGE: usize = 128;

/// When each payment in doubt is due for its next look.
#[derive(Debug, Default)]
pub(super) struct Backlog(Mutex<HashMap<PaymentId, Due>>);

#[derive(Debug)]
struct Due {
    at: Instant,
    pace: Pace,
    /// The walk that last saw it in doubt.
    walk: Instant,
}

/// The reconciler's task; dropping it ends it.
#[derive(Debug)]
pub struct Reconciler(JoinHandle<()>);

impl Drop for Reconciler {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Settler {
    /// Walks all payments in doubt once and brings each as far as the chain allows: credited if it landed,
    /// abandoned if it never can, sent again otherwise. Leaves alone those that another process works on and those
    /// looked at a moment ago. Sees to it that a task works on every pending refund and payout. Answers how many payments' fates
    /// became known.
    pub async fn reconcile_once(&self) -> Result<usize, SettleError> {
        let shared = &self.shared;
        let walk = Instant::now();
        let (mut after, mut in_doubt, mut resolved) = (None, 0_usize, 0_usize);
        loop {
            let page = shared.ledger.in_doubt(after.as_ref(), PAGE).await?;
            let ids: Vec<PaymentId> = page.into_iter().map(|(id, _)| id).collect();
            in_doubt = in_doubt.saturating_add(ids.len());
            let due = shared.backlog.due(&ids, walk, shared);
            for few in due.chunks(shared.config.reconcile_parallel.max(1)) {
                resolved = resolved.saturating_add(self.look_at(few).await?);
            }
            match ids.last() {
                Some(last) if ids.len() >= PAGE => after = Some(last.clone()),
                _ => break,
            }
        }
        shared.backlog.forget_before(walk);
        let open = u32::try_from(in_doubt.saturating_sub(resolved)).unwrap_or(u32::MAX);
        metrics::gauge!("tollwire_payments_in_doubt").set(open);
        self.reconcile_debts().await?;
        Ok(resolved)
    }

    /// Works on a few payments at once; answers how many fates became known.
    async fn look_at(&self, ids: &[PaymentId]) -> Result<usize, SettleError> {
        let mut looks = Vec::with_capacity(ids.len());
        for id in ids {
            let job = Job { id: id.clone(), mode: Mode::Reconcile, verified: false };
            match self.shared.in_flight.permit() {
                Ok(permit) => looks.push(self.shared.start(job, permit)?),
                Err(SettleError::Busy) => break, // Paying callers come first; the next walk goes on.
                Err(error) => return Err(error),
            }
        }
        let mut resolved = 0_usize;
        for mut look in looks {
            if let End::Known(..) = look.end().await {
                resolved = resolved.saturating_add(1);
            }
        }
        Ok(resolved)
    }

    /// Reconciles now and then every [`reconcile_every`](crate::SettlerConfig::reconcile_every), until the handle
    /// is dropped or the settler drains.
    #[must_use = "dropping the handle ends the reconciler"]
    pub fn spawn_reconciler(self: &Arc<Self>) -> Reconciler {
        let settler = self.clone();
        Reconciler(tokio::spawn(async move {
            loop {
                match settler.reconcile_once().await {
                    Ok(0) => {}
                    Ok(resolved) => tracing::info!(resolved, "payments in doubt resolved"),
                    Err(SettleError::Draining) => return,
                    Err(error) => tracing::warn!(%error, "reconciling failed; will repeat"),
                }
                if let Err(error) = settler.watch_once().await {
                    tracing::warn!(%error, "deposits not watched; will repeat");
                }
                tokio::time::sleep(settler.shared.config.reconcile_every).await;
            }
        }))
    }
}

impl Backlog {
    fn lock(&self) -> MutexGuard<'_, HashMap<PaymentId, Due>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of `ids` that are due in this walk; their next look is set further off.
    fn due(&self, ids: &[PaymentId], walk: Instant, shared: &Shared) -> Vec<PaymentId> {
        let mut backlog = self.lock();
        let now = Instant::now();
        let due = ids.iter().filter(|id| {
            let config = &shared.config;
            let entry = backlog.entry((*id).clone()).or_insert_with(|| Due {
                at: now,
                pace: Pace::new(config.reconcile_every, config.reconcile_backoff_max),
                walk,
            });
            entry.walk = walk;
            let due = now >= entry.at;
            if due {
                entry.at = now + entry.pace.step();
            }
            due
        });
        due.cloned().collect()
    }

    /// Drops what this walk did not find in doubt.
    fn forget_before(&self, walk: Instant) {
        self.lock().retain(|_, due| due.walk >= walk);
    }
}
