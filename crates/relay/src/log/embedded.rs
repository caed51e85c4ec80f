//! A log in the embedded database: one file, safe against `kill -9`.

use super::tables::{self, ENDS, ENTRIES, ONCE, ONCE_ENDS, STREAMS};
use super::{Append, Appended, Caps, Depth, Entry, Log, Overflow, READ_COUNT_MAX};
use crate::store::{BoxFuture, Embedded, StoreError, storage};
use bytes::Bytes;
use redb::{ReadableTable as _, WriteTransaction};
use tollwire_ledger::Timestamp;

/// The most forgotten keys that one append clears away.
const LAPSED_KEYS_AT_ONCE: usize = 16;

/// A [`Log`] in the embedded database. Cheap to clone; clones are one log.
#[derive(Debug, Clone)]
pub struct EmbeddedLog(Embedded);

impl EmbeddedLog {
    /// The log of a database; creates its tables.
    pub async fn open(store: Embedded) -> Result<Self, StoreError> {
        store.write(|txn| tables::create(txn).map_err(storage)).await?;
        Ok(Self(store))
    }
}

impl Log for EmbeddedLog {
    fn append<'a>(
        &'a self,
        stream: &'a str,
        new: Append,
        caps: Caps,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Appended, StoreError>> {
        let stream = stream.to_owned();
        self.0.write_boxed(move |txn| append(txn, &stream, &new, caps, now))
    }

    fn read<'a>(
        &'a self,
        stream: &'a str,
        after: u64,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>, StoreError>> {
        self.0.read_boxed(|txn| {
            let table = txn.open_table(ENTRIES)?;
            let mut entries = Vec::new();
            let mut bytes = 0_usize;
            for row in
                table.range((stream, after.saturating_add(1))..=(stream, u64::MAX))?.take(READ_COUNT_MAX)
            {
                let (key, value) = row?;
                let entry = tables::entry(key.value().1, value.value());
                bytes = bytes.saturating_add(entry.body.len());
                if bytes > bytes_max && !entries.is_empty() {
                    break;
                }
                entries.push(entry);
            }
            Ok(entries)
        })
    }

    fn mark<'a>(
        &'a self,
        stream: &'a str,
        seq: u64,
        mark: u64,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let stream = stream.to_owned();
        self.0.write_boxed(move |txn| {
            let mut entries = txn.open_table(ENTRIES)?;
            let found = entries.get((stream.as_str(), seq))?.map(|row| tables::entry(seq, row.value()));
            let Some(entry) = found else { return Ok(false) };
            entries.insert((stream.as_str(), seq), (until.millis(), mark, &*entry.body))?;
            let mut ends = txn.open_table(ENDS)?;
            ends.remove((entry.until.millis(), stream.as_str(), seq))?;
            ends.insert((until.millis(), stream.as_str(), seq), ())?;
            Ok(true)
        })
    }

    fn acknowledge<'a>(&'a self, stream: &'a str, seq: u64) -> BoxFuture<'a, Result<bool, StoreError>> {
        let stream = stream.to_owned();
        self.0.write_boxed(move |txn| take(txn, &stream, seq))
    }

    fn carry<'a>(
        &'a self,
        from: &'a str,
        seq: u64,
        to: &'a str,
        body: Bytes,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<Option<u64>, StoreError>> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.0.write_boxed(move |txn| {
            if !take(txn, &from, seq)? {
                return Ok(None);
            }
            push(txn, &to, &body, until).map(Some)
        })
    }

    fn expired(&self, now: Timestamp, max: usize) -> BoxFuture<'_, Result<Vec<(String, Entry)>, StoreError>> {
        self.0.read_boxed(|txn| {
            let (ends, entries) = (txn.open_table(ENDS)?, txn.open_table(ENTRIES)?);
            let mut lapsed = Vec::new();
            for row in ends.range(..(now.millis().saturating_add(1), "", 0))?.take(max) {
                let (key, _) = row?;
                let (_, stream, seq) = key.value();
                if let Some(row) = entries.get((stream, seq))? {
                    lapsed.push((stream.to_owned(), tables::entry(seq, row.value())));
                }
            }
            Ok(lapsed)
        })
    }

    fn depth<'a>(&'a self, stream: &'a str) -> BoxFuture<'a, Result<Depth, StoreError>> {
        self.0.read_boxed(|txn| {
            let row = txn.open_table(STREAMS)?.get(stream)?.map(|row| row.value());
            Ok(row.map_or_else(Depth::default, |(_, count, bytes)| Depth { count, bytes }))
        })
    }
}

fn append(
    txn: &WriteTransaction,
    stream: &str,
    new: &Append,
    caps: Caps,
    now: Timestamp,
) -> Result<Appended, redb::Error> {
    if let Some(once) = &new.once {
        forget_keys(txn, now)?;
        let keys = txn.open_table(ONCE)?;
        if let Some(row) = keys.get((stream, once.key.as_str()))?
            && row.value().0 > now.millis()
        {
            return Ok(Appended::Duplicate { memo: row.value().1.to_owned() });
        }
    }
    let bytes = u64::try_from(new.body.len()).unwrap_or(u64::MAX);
    while !caps.allow(depth(txn, stream)?.1.with(bytes)) {
        match (caps.overflow, oldest(txn, stream)?) {
            (Overflow::ForgetOldest, Some(seq)) => take(txn, stream, seq)?,
            (Overflow::Refuse, _) | (_, None) => return Ok(Appended::Full),
        };
    }
    if let Some(once) = &new.once {
        let (key, until) = (once.key.as_str(), once.until.millis());
        txn.open_table(ONCE)?.insert((stream, key), (until, once.memo.as_str()))?;
        txn.open_table(ONCE_ENDS)?.insert((until, stream, key), ())?;
    }
    push(txn, stream, &new.body, new.until).map(Appended::Stored)
}

/// The last number of a stream, and what it holds.
fn depth(txn: &WriteTransaction, stream: &str) -> Result<(u64, Depth), redb::Error> {
    let row = txn.open_table(STREAMS)?.get(stream)?.map(|row| row.value());
    Ok(row.map_or((0, Depth::default()), |(last, count, bytes)| (last, Depth { count, bytes })))
}

fn oldest(txn: &WriteTransaction, stream: &str) -> Result<Option<u64>, redb::Error> {
    let entries = txn.open_table(ENTRIES)?;
    let first = entries.range((stream, 0)..=(stream, u64::MAX))?.next().transpose()?;
    Ok(first.map(|(key, _)| key.value().1))
}

fn push(txn: &WriteTransaction, stream: &str, body: &Bytes, until: Timestamp) -> Result<u64, redb::Error> {
    let (last, depth) = depth(txn, stream)?;
    let seq = last.saturating_add(1);
    let depth = depth.with(u64::try_from(body.len()).unwrap_or(u64::MAX));
    txn.open_table(ENTRIES)?.insert((stream, seq), (until.millis(), 0, &**body))?;
    txn.open_table(ENDS)?.insert((until.millis(), stream, seq), ())?;
    txn.open_table(STREAMS)?.insert(stream, (seq, depth.count, depth.bytes))?;
    Ok(seq)
}

fn take(txn: &WriteTransaction, stream: &str, seq: u64) -> Result<bool, redb::Error> {
    let taken = txn.open_table(ENTRIES)?.remove((stream, seq))?.map(|row| tables::entry(seq, row.value()));
    let Some(entry) = taken else { return Ok(false) };
    txn.open_table(ENDS)?.remove((entry.until.millis(), stream, seq))?;
    let (last, depth) = depth(txn, stream)?;
    let depth = depth.without(u64::try_from(entry.body.len()).unwrap_or(u64::MAX));
    txn.open_table(STREAMS)?.insert(stream, (last, depth.count, depth.bytes))?;
    Ok(true)
}

fn forget_keys(txn: &WriteTransaction, now: Timestamp) -> Result<(), redb::Error> {
    let (mut ends, mut keys) = (txn.open_table(ONCE_ENDS)?, txn.open_table(ONCE)?);
    for _ in 0..LAPSED_KEYS_AT_ONCE {
        let first = ends.range(..(now.millis().saturating_add(1), "", ""))?.next().transpose()?;
        let Some((until, stream, key)) = first.map(|(row, _)| {
            let (until, stream, key) = row.value();
            (until, stream.to_owned(), key.to_owned())
        }) else {
            return Ok(());
        };
        ends.remove((until, stream.as_str(), key.as_str()))?;
        keys.remove((stream.as_str(), key.as_str()))?;
    }
    Ok(())
}
