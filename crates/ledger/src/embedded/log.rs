//! Changes of sessions and streams on their way into the tables.
//!
//! The rows go to many places of the file, and the same rows change again and again: hold, capture, end. So what must not
//! be forgotten becomes durable with one entry of a log; now and then the rows, each as it then is, move into their tables
//! together, and the log begins anew. What a crash leaves in the log moves when the file is opened.

use super::changes::{Changes, Mark, Sheet};
use super::failure::storage;
use super::tables::{JOURNAL, LIVE, LOG, PRUNED_PER_CALL, SESSIONS, STREAMS};
use crate::{Error, Timestamp, record};
use redb::{Database, ReadableTable, ReadableTableMetadata, Table, WriteTransaction};
use tollwire_x402::SessionId;

type Live<'txn> = Table<'txn, (&'static str, u64, &'static str), ()>;

/// An entry: rows, and rows over these. One layer is enough, but files have had two since there has been a log.
type Layers<T> = (T, T);

/// Adds an entry, durably.
pub(super) fn note(db: &Database, changes: &Changes) -> Result<(), Error> {
    let entry: Layers<&Changes> = (changes, &Changes::default());
    let bytes = record::encode(&entry)?;
    let txn = db.begin_write().map_err(storage)?;
    {
        let mut log = txn.open_table(LOG).map_err(storage)?;
        let last = log.last().map_err(storage)?.map(|(number, _)| number.value());
        let next = last.map_or(0, |number| number.saturating_add(1));
        log.insert(next, bytes.as_slice()).map_err(storage)?;
    }
    txn.commit().map_err(storage)
}

/// Moves what changed into the tables and empties the log, in the caller's transaction.
pub(super) fn pour(txn: &WriteTransaction, changes: &Changes, now: Timestamp) -> Result<(), Error> {
    let mut sessions = txn.open_table(SESSIONS).map_err(storage)?;
    let mut streams = txn.open_table(STREAMS).map_err(storage)?;
    let mut live = txn.open_table(LIVE).map_err(storage)?;
    let mut journal = txn.open_table(JOURNAL).map_err(storage)?;
    for (id, sheet) in changes.iter() {
        if let Some(row) = &sheet.session {
            sessions.insert(id.as_str(), record::encode(row)?.as_slice()).map_err(storage)?;
        }
        for (stream, row) in &sheet.streams {
            let key = (id.as_str(), stream.as_str());
            streams.insert(key, record::encode(row)?.as_slice()).map_err(storage)?;
        }
        for (line, entry) in &sheet.lines {
            journal.insert((id.as_str(), *line), record::encode(entry)?.as_slice()).map_err(storage)?;
        }
        mark(&mut live, id, sheet, now)?;
    }
    let empty = txn.open_table(LOG).map_err(storage)?.is_empty().map_err(storage)?;
    if !empty {
        txn.delete_table(LOG).map_err(storage)?;
        txn.open_table(LOG).map_err(storage)?;
    }
    Ok(())
}

/// Moves what a crash left in the log. Whether there was anything.
pub(super) fn replay(txn: &WriteTransaction, now: Timestamp) -> Result<bool, Error> {
    let mut left = Changes::default();
    for row in txn.open_table(LOG).map_err(storage)?.iter().map_err(storage)? {
        let (number, bytes) = row.map_err(storage)?;
        let entry = record::decode(bytes.value(), &format!("log entry {}", number.value()))?;
        let (below, above): Layers<Changes> = entry;
        left.merge(below);
        left.merge(above);
    }
    if left.is_empty() {
        return Ok(false);
    }
    pour(txn, &left, now)?;
    Ok(true)
}

/// Keeps the index of live streams, and clears away what is over of the sessions that are at work.
fn mark(live: &mut Live<'_>, session: &SessionId, sheet: &Sheet, now: Timestamp) -> Result<(), Error> {
    let mut added = 0_usize;
    for ((until, stream), mark) in &sheet.live {
        let key = (session.as_str(), *until, stream.as_str());
        match mark {
            Mark::Added => {
                live.insert(key, ()).map_err(storage)?;
                added = added.saturating_add(1);
            }
            Mark::Removed => {
                live.remove(key).map_err(storage)?;
            }
        }
    }
    if added == 0 {
        return Ok(());
    }
    let until_now = (session.as_str(), 0, "")..(session.as_str(), now.millis().saturating_add(1), "");
    let over = live.range(until_now).map_err(storage)?.take(added.saturating_mul(PRUNED_PER_CALL));
    let over: Vec<(u64, String)> = over
        .map(|row| row.map(|(key, _)| (key.value().1, key.value().2.to_owned())))
        .collect::<Result<_, _>>()
        .map_err(storage)?;
    for (until, stream) in over {
        live.remove((session.as_str(), until, stream.as_str())).map_err(storage)?;
    }
    Ok(())
}
