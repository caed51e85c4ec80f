//! A row that is ours to change for as long as nobody else has changed it.

use super::row::PaidCall;
use crate::store::{Change, Changed, Row, Rows, StoreError, fresh_version};
use std::sync::Arc;
use tollwire_ledger::{Clock, Timestamp};

/// A row of ours.
pub(super) struct Owned {
    rows: Arc<dyn Rows>,
    clock: Arc<dyn Clock>,
    pub(super) key: String,
    version: u64,
    pub(super) paid: PaidCall,
}

/// What came of wanting a row.
pub(super) enum Wanted {
    Ours(Box<Owned>),
    /// It is somebody's: this is it.
    Theirs(Row),
    /// It was somebody's a moment ago.
    Gone,
    /// Its alias is another row's.
    Taken,
}

impl Owned {
    /// Makes a row: from nothing, or from the version that was read.
    pub(super) async fn want(
        rows: &Arc<dyn Rows>,
        clock: &Arc<dyn Clock>,
        key: &str,
        from: Option<u64>,
        alias: Option<String>,
        paid: PaidCall,
    ) -> Result<Wanted, StoreError> {
        let version = fresh_version()?;
        let change = change(key, from, alias, &paid, version, clock.now())?;
        Ok(match rows.change(change).await? {
            Changed::Done => Wanted::Ours(Box::new(Self {
                rows: Arc::clone(rows),
                clock: Arc::clone(clock),
                key: key.to_owned(),
                version,
                paid,
            })),
            Changed::Moved(Some(row)) => Wanted::Theirs(row),
            Changed::Moved(None) => Wanted::Gone,
            Changed::Taken => Wanted::Taken,
        })
    }

    /// Changes it; false if it is not ours any more.
    pub(super) async fn become_(&mut self, paid: PaidCall) -> Result<bool, StoreError> {
        let version = fresh_version()?;
        let change = change(&self.key, Some(self.version), None, &paid, version, self.clock.now())?;
        let done = self.rows.change(change).await? == Changed::Done;
        if done {
            (self.version, self.paid) = (version, paid);
        }
        Ok(done)
    }

    /// Removes it: the payment was not settled. One that is not ours any more is left as it is.
    pub(super) async fn release(self) {
        let change = Change {
            key: self.key,
            from: Some(self.version),
            to: None,
            keep_until: self.clock.now(),
            due: None,
            alias: None,
        };
        if let Err(error) = self.rows.change(change).await {
            tracing::warn!(%error, "a call that was not paid for is released when its time is over");
        }
    }
}

fn change(
    key: &str,
    from: Option<u64>,
    alias: Option<String>,
    paid: &PaidCall,
    version: u64,
    now: Timestamp,
) -> Result<Change, StoreError> {
    Ok(Change {
        key: key.to_owned(),
        from,
        to: Some(paid.row(version)?),
        keep_until: paid.keep_until(now),
        due: paid.due(),
        alias,
    })
}
