//! [`Rows`] in the embedded database.

use super::embedded::storage;
use super::rows::{BoxFuture, Change, Changed, Row, Rows};
use super::{Embedded, StoreError};
use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};
use std::fmt;
use std::sync::Arc;
use tollwire_ledger::{Clock, Timestamp};

/// Key -> (version, until when it is kept, content).
const ROWS: TableDefinition<'static, &str, (u64, u64, &[u8])> = TableDefinition::new("rows");
/// (until when, key): what may be forgotten.
const KEPT: TableDefinition<'static, (u64, &str), ()> = TableDefinition::new("rows_kept");
/// Alias -> (key, until when).
const ALIASES: TableDefinition<'static, &str, (&str, u64)> = TableDefinition::new("row_aliases");
/// (until when, alias): what may be forgotten.
const ALIASES_KEPT: TableDefinition<'static, (u64, &str), ()> = TableDefinition::new("row_aliases_kept");
/// Key -> when it is due.
const DUE: TableDefinition<'static, &str, u64> = TableDefinition::new("rows_due");
/// (when, key): the same by time.
const DUE_AT: TableDefinition<'static, (u64, &str), ()> = TableDefinition::new("rows_due_at");

/// How many rows a change forgets on the way, at most.
const FORGET_MAX: usize = 8;

/// Rows of one node.
#[derive(Clone)]
pub struct EmbeddedRows {
    store: Embedded,
    clock: Arc<dyn Clock>,
}

impl EmbeddedRows {
    /// Rows in this database; creates its tables.
    pub async fn open(store: Embedded, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        store
            .write(|txn| {
                txn.open_table(ROWS).map_err(storage)?;
                txn.open_table(DUE_AT).map_err(storage)?;
                Ok(())
            })
            .await?;
        Ok(Self { store, clock })
    }
}

impl Rows for EmbeddedRows {
    fn row(&self, key: &str) -> BoxFuture<'_, Result<Option<Row>, StoreError>> {
        let now = self.clock.now().millis();
        let found = self.store.read(|txn| find(&txn.open_table(ROWS).map_err(storage)?, key, now));
        Box::pin(std::future::ready(found.map(|found| found.map(|(row, _)| row))))
    }

    fn change(&self, change: Change) -> BoxFuture<'_, Result<Changed, StoreError>> {
        let clock = Arc::clone(&self.clock);
        Box::pin(self.store.write(move |txn| apply(txn, &change, clock.now().millis())))
    }

    fn due(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        let listed = self.store.read(|txn| {
            let table = txn.open_table(DUE_AT).map_err(storage)?;
            let due = table.range(..(now.millis().saturating_add(1), "")).map_err(storage)?;
            due.take(limit).map(|row| Ok(row.map_err(storage)?.0.value().1.to_owned())).collect()
        });
        Box::pin(std::future::ready(listed))
    }
}

fn find(
    table: &impl ReadableTable<&'static str, (u64, u64, &'static [u8])>,
    key: &str,
    now: u64,
) -> Result<Option<(Row, u64)>, StoreError> {
    let Some(found) = table.get(key).map_err(storage)? else { return Ok(None) };
    let (version, until, content) = found.value();
    Ok((until > now).then(|| (Row { version, content: content.to_owned() }, until)))
}

fn apply(txn: &WriteTransaction, change: &Change, now: u64) -> Result<Changed, StoreError> {
    let (key, until) = (change.key.as_str(), change.keep_until.millis());
    let mut rows = txn.open_table(ROWS).map_err(storage)?;
    let mut kept = txn.open_table(KEPT).map_err(storage)?;
    let found = find(&rows, key, now)?;
    if found.as_ref().map(|(row, _)| row.version) != change.from {
        return Ok(Changed::Moved(found.map(|(row, _)| row)));
    }
    if let Some(alias) = &change.alias
        && !named(txn, alias, key, until, now)?
    {
        return Ok(Changed::Taken);
    }
    let before = rows.get(key).map_err(storage)?.map(|row| row.value().1);
    if let Some(before) = before {
        kept.remove((before, key)).map_err(storage)?;
    }
    match &change.to {
        Some(row) => {
            rows.insert(key, (row.version, until, row.content.as_slice())).map_err(storage)?;
            kept.insert((until, key), ()).map_err(storage)?;
        }
        None => drop(rows.remove(key).map_err(storage)?),
    }
    plan(txn, key, change.due)?;
    forget(txn, &mut rows, &mut kept, now)?;
    Ok(Changed::Done)
}

/// Gives a row its alias, unless another has it.
fn named(txn: &WriteTransaction, alias: &str, key: &str, until: u64, now: u64) -> Result<bool, StoreError> {
    let mut aliases = txn.open_table(ALIASES).map_err(storage)?;
    let mut kept = txn.open_table(ALIASES_KEPT).map_err(storage)?;
    let held = aliases.get(alias).map_err(storage)?.map(|held| {
        let (owner, until) = held.value();
        (owner == key, until)
    });
    if let Some((ours, held_until)) = held {
        if !ours && held_until > now {
            return Ok(false);
        }
        kept.remove((held_until, alias)).map_err(storage)?;
    }
    aliases.insert(alias, (key, until)).map_err(storage)?;
    kept.insert((until, alias), ()).map_err(storage)?;
    Ok(true)
}

fn plan(txn: &WriteTransaction, key: &str, due: Option<Timestamp>) -> Result<(), StoreError> {
    let mut at = txn.open_table(DUE).map_err(storage)?;
    let mut by_time = txn.open_table(DUE_AT).map_err(storage)?;
    let before = at.remove(key).map_err(storage)?.map(|before| before.value());
    if let Some(before) = before {
        by_time.remove((before, key)).map_err(storage)?;
    }
    if let Some(due) = due {
        at.insert(key, due.millis()).map_err(storage)?;
        by_time.insert((due.millis(), key), ()).map_err(storage)?;
    }
    Ok(())
}

type RowTable<'txn> = Table<'txn, &'static str, (u64, u64, &'static [u8])>;

/// Forgets some of what nobody need remember any more: more than one change can add.
fn forget(
    txn: &WriteTransaction,
    rows: &mut RowTable<'_>,
    kept: &mut Table<'_, (u64, &'static str), ()>,
    now: u64,
) -> Result<(), StoreError> {
    for (until, key) in over(kept, now)? {
        kept.remove((until, key.as_str())).map_err(storage)?;
        rows.remove(key.as_str()).map_err(storage)?;
        plan(txn, &key, None)?;
    }
    let mut aliases = txn.open_table(ALIASES).map_err(storage)?;
    let mut aliases_kept = txn.open_table(ALIASES_KEPT).map_err(storage)?;
    for (until, alias) in over(&aliases_kept, now)? {
        aliases_kept.remove((until, alias.as_str())).map_err(storage)?;
        aliases.remove(alias.as_str()).map_err(storage)?;
    }
    Ok(())
}

fn over(
    kept: &impl ReadableTable<(u64, &'static str), ()>,
    now: u64,
) -> Result<Vec<(u64, String)>, StoreError> {
    let over = kept.range(..(now.saturating_add(1), "")).map_err(storage)?.take(FORGET_MAX);
    over.map(|row| {
        let (key, _) = row.map_err(storage)?;
        let (until, key) = key.value();
        Ok((until, key.to_owned()))
    })
    .collect()
}

impl fmt::Debug for EmbeddedRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedRows").finish_non_exhaustive()
    }
}
