//! Writing down where a session at work stands.

use super::super::record::key;
use super::{Lost, Work};
use crate::notes::Topic;
use crate::store::{Change, Changed, StoreError, fresh_version};
use std::time::Duration;
use tokio::time::sleep;

/// How long after a failure of the store it is asked again, and how often.
const AGAIN: Duration = Duration::from_millis(500);
const TRIES_MAX: u32 = 120;

impl Work {
    /// Nothing is to be done: others may work at it.
    pub(super) async fn rest(&mut self) -> Result<(), Lost> {
        if self.noted {
            self.noted = false;
            if let Err(error) = self.inner.notes.remove((Topic::Unfinished, &self.id)).await {
                tracing::debug!(%error, "a session is looked after once more than need be");
            }
        }
        if self.record.owner.take().is_some() {
            self.save().await?;
        }
        Ok(())
    }

    /// Writes down where the session stands, however long the store takes for it.
    pub(super) async fn save(&mut self) -> Result<(), Lost> {
        let now = self.inner.now();
        self.record.updated = now;
        let Ok(version) = fresh_version() else { return Err(Lost) };
        let Ok(row) = self.record.row(version) else { return Err(Lost) };
        let change = Change {
            key: key(&self.id),
            from: Some(self.version),
            to: Some(row),
            keep_until: now.after(self.inner.limits.retention),
            due: None,
            alias: None,
        };
        for _ in 0..TRIES_MAX {
            let error: StoreError = match self.inner.rows.change(change.clone()).await {
                Ok(Changed::Done) => {
                    self.version = version;
                    return Ok(());
                }
                // The answer to an earlier try was lost.
                Ok(Changed::Moved(Some(row))) if row.version == version => {
                    self.version = version;
                    return Ok(());
                }
                Ok(Changed::Moved(_) | Changed::Taken) => {
                    tracing::warn!(session = self.id, "another broker has taken a session over");
                    return Err(Lost);
                }
                Err(error) => error,
            };
            tracing::warn!(%error, "a session could not be written down: once more");
            sleep(AGAIN).await;
        }
        Err(Lost)
    }
}
