//! A copy of a store in use: one consistent view, written to a new file.

use super::failure::storage;
use super::pour;
use super::recent::Recent;
use super::tables::{
    self, GATHERED, IN_DOUBT, JOURNAL, LEASES, LIVE, META, ONCE, ONCE_UNTIL, PAYERS, PAYMENTS, PAYOUTS,
    PAYOUTS_IN_DOUBT, PROVIDERS, PURSES, REFUNDS, REFUNDS_IN_DOUBT, SESSIONS, SPENT, STREAMS, TRANSACTIONS,
};
use crate::file;
use crate::{Error, Timestamp};
use redb::{
    Builder, Database, Key, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, Value,
    WriteTransaction,
};
use std::fs::File;
use std::path::Path;
use std::sync::{PoisonError, RwLock};

pub(super) fn write(
    db: &Database,
    recent: &RwLock<Recent>,
    now: Timestamp,
    path: &Path,
) -> Result<(), Error> {
    if path.exists() {
        return Err(Error::Unfit(format!("{} exists already; name a new file", path.display())));
    }
    // Only a whole copy gets the name: what a crash leaves is not taken for one.
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    let handle = file::create_new(partial)?;
    let written = copy(db, recent, now, handle).and_then(|()| file::rename(partial, path));
    if written.is_err() {
        // The first error says more than a second would.
        let _best_effort = std::fs::remove_file(partial);
    }
    written
}

fn copy(db: &Database, recent: &RwLock<Recent>, now: Timestamp, handle: File) -> Result<(), Error> {
    let (from, changes) = {
        let recent = recent.read().unwrap_or_else(PoisonError::into_inner);
        (db.begin_read().map_err(storage)?, recent.all())
    };
    let copy = Builder::new().create_file(handle).map_err(storage)?;
    let into = copy.begin_write().map_err(storage)?;
    table(&from, &into, META)?;
    table(&from, &into, PAYMENTS)?;
    table(&from, &into, SESSIONS)?;
    table(&from, &into, STREAMS)?;
    table(&from, &into, LIVE)?;
    table(&from, &into, JOURNAL)?;
    table(&from, &into, IN_DOUBT)?;
    table(&from, &into, ONCE)?;
    table(&from, &into, ONCE_UNTIL)?;
    table(&from, &into, LEASES)?;
    table(&from, &into, PAYERS)?;
    table(&from, &into, REFUNDS)?;
    table(&from, &into, REFUNDS_IN_DOUBT)?;
    table(&from, &into, TRANSACTIONS)?;
    table(&from, &into, PURSES)?;
    table(&from, &into, SPENT)?;
    table(&from, &into, PROVIDERS)?;
    table(&from, &into, PAYOUTS)?;
    table(&from, &into, PAYOUTS_IN_DOUBT)?;
    table(&from, &into, GATHERED)?;
    // What the log has, and what it does not have yet, has its place in the copy.
    pour::pour(&into, &changes, now)?;
    tables::forget_log(&into)?;
    into.commit().map_err(storage)
}

fn table<K: Key + 'static, V: Value + 'static>(
    from: &ReadTransaction,
    into: &WriteTransaction,
    definition: TableDefinition<'static, K, V>,
) -> Result<(), Error> {
    let source = from.open_table(definition).map_err(storage)?;
    let mut target = into.open_table(definition).map_err(storage)?;
    for row in source.iter().map_err(storage)? {
        let (key, value) = row.map_err(storage)?;
        target.insert(key.value(), value.value()).map_err(storage)?;
    }
    Ok(())
}
