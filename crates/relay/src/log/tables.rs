//! The tables of the embedded log.

use super::Entry;
use bytes::Bytes;
use redb::{TableDefinition, WriteTransaction};
use tollwire_ledger::Timestamp;

/// What stands in an entry's row: until when (milliseconds since the epoch), its mark, its body.
type Row<'a> = (u64, u64, &'a [u8]);

/// (stream, number) -> entry.
pub(super) const ENTRIES: TableDefinition<'static, (&str, u64), Row<'static>> =
    TableDefinition::new("log_entries");
/// Stream -> (last number, entries, bytes).
pub(super) const STREAMS: TableDefinition<'static, &str, (u64, u64, u64)> =
    TableDefinition::new("log_streams");
/// (until when, stream, number) of every entry.
pub(super) const ENDS: TableDefinition<'static, (u64, &str, u64), ()> = TableDefinition::new("log_ends");
/// (stream, key) -> (until when it counts as used, memo).
pub(super) const ONCE: TableDefinition<'static, (&str, &str), (u64, &str)> = TableDefinition::new("log_once");
/// The same by time, for forgetting.
pub(super) const ONCE_ENDS: TableDefinition<'static, (u64, &str, &str), ()> =
    TableDefinition::new("log_once_ends");

/// Creates the tables that are missing, so that readers find them.
pub(super) fn create(txn: &WriteTransaction) -> Result<(), redb::Error> {
    txn.open_table(ENTRIES)?;
    txn.open_table(STREAMS)?;
    txn.open_table(ENDS)?;
    txn.open_table(ONCE)?;
    txn.open_table(ONCE_ENDS)?;
    Ok(())
}

/// An entry from its row.
pub(super) fn entry(seq: u64, (until, mark, body): Row<'_>) -> Entry {
    Entry { seq, until: Timestamp::from_millis(until), mark, body: Bytes::copy_from_slice(body) }
}
