//! Asking after payments that are in doubt: by whoever presents one again, and by every broker on a timer.

use super::desk::{Desk, Outcome};
use super::owned::{Owned, Wanted};
use super::row::{PaidCall, State};
use crate::store::{Change, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tollwire_x402::facilitator::{RawRequest, Request};

/// How often the list of what is due is read.
const EVERY: Duration = Duration::from_secs(2);

/// How many payments are asked after at once.
const AT_ONCE: usize = 16;

impl Desk {
    /// Asks after payments in doubt, for ever.
    pub(crate) async fn reconcile(self: Arc<Self>) {
        loop {
            tokio::time::sleep(EVERY).await;
            let due = match self.rows.due(self.clock.now(), AT_ONCE).await {
                Ok(due) => due,
                Err(error) => {
                    tracing::warn!(%error, "payments in doubt cannot be listed");
                    continue;
                }
            };
            let all = due.iter().map(|key| self.look_after(key));
            for looked in futures_util::future::join_all(all).await {
                if let Err(error) = looked {
                    tracing::warn!(%error, "a payment in doubt cannot be looked after");
                }
            }
        }
    }

    async fn look_after(&self, key: &str) -> Result<(), StoreError> {
        let Some(row) = self.rows.row(key).await? else {
            // It was forgotten; so is that somebody wanted to look after it.
            let nothing = Change {
                key: key.to_owned(),
                from: None,
                to: None,
                keep_until: self.clock.now(),
                due: None,
                alias: None,
            };
            self.rows.change(nothing).await?;
            return Ok(());
        };
        let paid = PaidCall::read(&row)?;
        if let State::Settling { until, .. } = paid.state
            && until < self.clock.now().millis()
        {
            self.resume(key, row.version, paid).await?;
        }
        Ok(())
    }

    /// Asks the facilitator about a payment that nobody asks about any more; `None` if somebody was faster.
    pub(super) async fn resume(
        &self,
        key: &str,
        version: u64,
        paid: PaidCall,
    ) -> Result<Option<Outcome>, StoreError> {
        let State::Settling { doubts, held, due, .. } = &paid.state else { return Ok(None) };
        let due = due.clone();
        let state = State::Settling {
            until: self.settled_by(),
            doubts: *doubts,
            held: held.clone(),
            due: due.clone(),
        };
        let ours = paid.with(state);
        match Owned::want(&self.rows, &self.clock, key, Some(version), None, ours).await? {
            Wanted::Ours(owned) => {
                let settled = self.settle(&due, true).await;
                Ok(Some(self.record(*owned, settled, None).await))
            }
            Wanted::Theirs(_) | Wanted::Gone | Wanted::Taken => Ok(None),
        }
    }
}

/// A request as it was written down.
pub(super) fn parsed(request: &str) -> Option<Request> {
    let raw: RawRequest = serde_json::from_str(request).ok()?;
    raw.parse().ok()?.ok()
}
