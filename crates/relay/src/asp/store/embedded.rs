//! Sessions in the embedded database.

use super::{Append, Head, Once, PAGE_MAX, Sessions, Stored};
use crate::store::{BoxFuture, Embedded, StoreError, storage};
use bytes::Bytes;
use redb::{ReadableTable as _, TableDefinition, WriteTransaction};
use tollwire_asp::{Hash, SessionId};
use tollwire_ledger::Timestamp;

/// What stands in a session's row: last number, its hash, first number, until when (ms), content.
type HeadRow<'a> = (u64, &'a str, u64, u64, &'a [u8]);

const HEADS: TableDefinition<'static, &str, HeadRow<'static>> = TableDefinition::new("asp_heads");
/// (session, number) -> message.
const MESSAGES: TableDefinition<'static, (&str, u64), &[u8]> = TableDefinition::new("asp_messages");
/// (session, key) -> (until when (ms), memo).
const ONCE: TableDefinition<'static, (&str, &str), (u64, &str)> = TableDefinition::new("asp_once");

/// Rows that one sweep removes at most.
const SWEEP_MAX: usize = 1_000;

/// [`Sessions`] in the embedded database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EmbeddedSessions(Embedded);

impl EmbeddedSessions {
    /// The sessions of a database; creates their tables.
    pub async fn open(store: Embedded) -> Result<Self, StoreError> {
        let create = |txn: &WriteTransaction| -> Result<(), redb::Error> {
            txn.open_table(HEADS)?;
            txn.open_table(MESSAGES)?;
            txn.open_table(ONCE)?;
            Ok(())
        };
        store.write(move |txn| create(txn).map_err(storage)).await?;
        Ok(Self(store))
    }
}

fn head((seq, hash, first, _, content): HeadRow<'_>) -> Head {
    Head { seq, hash: hash.to_owned(), first, content: Bytes::copy_from_slice(content) }
}

impl Sessions for EmbeddedSessions {
    fn create<'a>(
        &'a self,
        session: &'a SessionId,
        content: Bytes,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let session = session.to_string();
        self.0.write_boxed(move |txn| {
            let mut heads = txn.open_table(HEADS)?;
            if heads.get(session.as_str())?.is_some() {
                return Ok(false);
            }
            let genesis = Hash::GENESIS.to_string();
            heads.insert(session.as_str(), (0, genesis.as_str(), 1, until.millis(), &*content))?;
            Ok(true)
        })
    }

    fn head<'a>(
        &'a self,
        session: &'a SessionId,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Head>, StoreError>> {
        self.0.read_boxed(|txn| {
            let row = txn.open_table(HEADS)?.get(session.as_str())?;
            Ok(row.filter(|row| row.value().3 > now.millis()).map(|row| head(row.value())))
        })
    }

    fn newest(
        &self,
        count: usize,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<(SessionId, Head)>, StoreError>> {
        self.0.read_boxed(|txn| {
            let mut found = Vec::new();
            // Names sort by time.
            for row in txn.open_table(HEADS)?.iter()?.rev() {
                let (name, row) = row?;
                if found.len() >= count {
                    break;
                }
                if row.value().3 > now.millis()
                    && let Ok(session) = name.value().parse()
                {
                    found.push((session, head(row.value())));
                }
            }
            Ok(found)
        })
    }

    fn append<'a>(
        &'a self,
        session: &'a SessionId,
        append: Append,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Stored, StoreError>> {
        let session = session.to_string();
        self.0.write_boxed(move |txn| add(txn, &session, &append, now))
    }

    fn read<'a>(
        &'a self,
        session: &'a SessionId,
        after: u64,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<Vec<(u64, Bytes)>, StoreError>> {
        self.0.read_boxed(|txn| {
            let table = txn.open_table(MESSAGES)?;
            let name = session.as_str();
            let (mut page, mut bytes) = (Vec::new(), 0_usize);
            for row in table.range((name, after.saturating_add(1))..=(name, u64::MAX))?.take(PAGE_MAX) {
                let (key, value) = row?;
                bytes = bytes.saturating_add(value.value().len());
                if bytes > bytes_max && !page.is_empty() {
                    break;
                }
                page.push((key.value().1, Bytes::copy_from_slice(value.value())));
            }
            Ok(page)
        })
    }

    fn sweep(&self, now: Timestamp) -> BoxFuture<'_, Result<(), StoreError>> {
        self.0.write_boxed(move |txn| sweep(txn, now))
    }
}

fn add(txn: &WriteTransaction, session: &str, new: &Append, now: Timestamp) -> Result<Stored, redb::Error> {
    let mut heads = txn.open_table(HEADS)?;
    let found = heads.get(session)?.filter(|row| row.value().3 > now.millis()).map(|row| head(row.value()));
    let Some(present) = found else { return Ok(Stored::Unknown) };
    let mut keys = txn.open_table(ONCE)?;
    let mut used = Vec::new();
    for (place, message) in new.messages.iter().enumerate() {
        let Some(once) = &message.once else { continue };
        let row = keys.get((session, once.key.as_str()))?.filter(|row| row.value().0 > now.millis());
        used.extend(row.map(|row| (place, row.value().1.to_owned())));
    }
    if !used.is_empty() {
        return Ok(Stored::Duplicates(used));
    }
    if (present.seq, &present.hash) != (new.after.0, &new.after.1) {
        return Ok(Stored::Moved(present));
    }
    let mut messages = txn.open_table(MESSAGES)?;
    let mut seq = present.seq;
    for message in &new.messages {
        seq = seq.saturating_add(1);
        messages.insert((session, seq), &*message.body)?;
        if let Some(Once { key, until, memo }) = &message.once {
            keys.insert((session, key.as_str()), (until.millis(), memo.as_str()))?;
        }
    }
    let first = present.first.max(seq.saturating_add(1).saturating_sub(new.keep.max(1)));
    for old in present.first..first {
        messages.remove((session, old))?;
    }
    heads.insert(session, (seq, new.hash.as_str(), first, new.until.millis(), &*new.content))?;
    Ok(Stored::Done)
}

fn sweep(txn: &WriteTransaction, now: Timestamp) -> Result<(), redb::Error> {
    let (mut heads, mut messages) = (txn.open_table(HEADS)?, txn.open_table(MESSAGES)?);
    let mut keys = txn.open_table(ONCE)?;
    let mut over = Vec::new();
    for row in heads.iter()? {
        let (name, head) = row?;
        if head.value().3 <= now.millis() {
            over.push(name.value().to_owned());
        }
    }
    let mut left = SWEEP_MAX;
    for session in over {
        let range = (session.as_str(), 0)..=(session.as_str(), u64::MAX);
        let old: Vec<u64> = messages
            .range(range)?
            .take(left)
            .map(|row| Ok(row?.0.value().1))
            .collect::<Result<_, redb::Error>>()?;
        for seq in &old {
            messages.remove((session.as_str(), *seq))?;
        }
        left = left.saturating_sub(old.len());
        if left == 0 {
            return Ok(());
        }
        heads.remove(session.as_str())?;
    }
    let mut lapsed = Vec::new();
    for row in keys.iter()? {
        let (key, value) = row?;
        if value.value().0 <= now.millis() {
            let (session, key) = key.value();
            lapsed.push((session.to_owned(), key.to_owned()));
        }
    }
    for (session, key) in lapsed.into_iter().take(SWEEP_MAX) {
        keys.remove((session.as_str(), key.as_str()))?;
    }
    Ok(())
}
