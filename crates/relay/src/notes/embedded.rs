//! Notes in the embedded database.

use super::{Key, Notes, Topic};
use crate::store::{BoxFuture, Embedded, StoreError, storage};
use bytes::Bytes;
use redb::{ReadTransaction, ReadableTable as _, TableDefinition};
use tollwire_ledger::Timestamp;

/// (topic, name) -> (until when, in milliseconds since the epoch, [`FOREVER`] for ever; value).
const NOTES: TableDefinition<'static, (&str, &str), (u64, &[u8])> = TableDefinition::new("notes");

const FOREVER: u64 = u64::MAX;

/// Lapsed notes that are forgotten at once.
const LAPSED_AT_ONCE: usize = 1_000;

/// [`Notes`] in the embedded database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EmbeddedNotes(Embedded);

impl EmbeddedNotes {
    /// The notes of a database; creates their table.
    pub async fn open(store: Embedded) -> Result<Self, StoreError> {
        store.write(|txn| txn.open_table(NOTES).map_err(storage).map(drop)).await?;
        Ok(Self(store))
    }
}

impl Notes for EmbeddedNotes {
    fn put<'a>(
        &'a self,
        (topic, name): Key<'a>,
        value: Bytes,
        until: Option<Timestamp>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let name = name.to_owned();
        self.0.write_boxed(move |txn| {
            let until = until.map_or(FOREVER, Timestamp::millis);
            txn.open_table(NOTES)?.insert((topic.as_str(), name.as_str()), (until, &*value))?;
            Ok(())
        })
    }

    fn claim<'a>(
        &'a self,
        (topic, name): Key<'a>,
        value: Bytes,
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let name = name.to_owned();
        let until = until.map_or(FOREVER, Timestamp::millis);
        self.0.write_boxed(move |txn| {
            let mut notes = txn.open_table(NOTES)?;
            let key = (topic.as_str(), name.as_str());
            let taken = notes.get(key)?.is_some_and(|row| row.value().0 > now.millis());
            if !taken {
                notes.insert(key, (until, &*value))?;
            }
            Ok(!taken)
        })
    }

    fn replace<'a>(
        &'a self,
        (topic, name): Key<'a>,
        was: Bytes,
        value: Bytes,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let name = name.to_owned();
        self.0.write_boxed(move |txn| {
            let mut notes = txn.open_table(NOTES)?;
            let key = (topic.as_str(), name.as_str());
            let until = notes.get(key)?.and_then(|row| {
                let (until, is) = row.value();
                (until > now.millis() && *is == *was).then_some(until)
            });
            if let Some(until) = until {
                notes.insert(key, (until, &*value))?;
            }
            Ok(until.is_some())
        })
    }

    fn get<'a>(
        &'a self,
        (topic, name): Key<'a>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>> {
        self.0.read_boxed(|txn| {
            let row = txn.open_table(NOTES)?.get((topic.as_str(), name))?;
            let live = row.filter(|row| row.value().0 > now.millis());
            Ok(live.map(|row| Bytes::copy_from_slice(row.value().1)))
        })
    }

    fn sweep(&self, now: Timestamp) -> BoxFuture<'_, Result<(), StoreError>> {
        let lapsed = self.0.read(|txn| lapsed(txn, now).map_err(storage));
        let lapsed = match lapsed {
            Ok(lapsed) if lapsed.is_empty() => return Box::pin(std::future::ready(Ok(()))),
            Ok(lapsed) => lapsed,
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        self.0.write_boxed(move |txn| {
            let mut notes = txn.open_table(NOTES)?;
            for (topic, name) in &lapsed {
                let key = (topic.as_str(), name.as_str());
                // It may have been written again meanwhile.
                if notes.get(key)?.is_some_and(|row| row.value().0 <= now.millis()) {
                    notes.remove(key)?;
                }
            }
            Ok(())
        })
    }

    fn remove<'a>(&'a self, (topic, name): Key<'a>) -> BoxFuture<'a, Result<(), StoreError>> {
        let name = name.to_owned();
        self.0.write_boxed(move |txn| {
            txn.open_table(NOTES)?.remove((topic.as_str(), name.as_str()))?;
            Ok(())
        })
    }

    fn list(&self, topic: Topic, now: Timestamp) -> BoxFuture<'_, Result<Vec<(String, Bytes)>, StoreError>> {
        self.0.read_boxed(|txn| {
            let mut found = Vec::new();
            for row in txn.open_table(NOTES)?.range((topic.as_str(), "")..)? {
                let (key, value) = row?;
                let ((of, name), (until, value)) = (key.value(), value.value());
                if of != topic.as_str() {
                    break;
                }
                if until > now.millis() {
                    found.push((name.to_owned(), Bytes::copy_from_slice(value)));
                }
            }
            Ok(found)
        })
    }
}

/// Notes whose time is over, with their topics.
fn lapsed(txn: &ReadTransaction, now: Timestamp) -> Result<Vec<(String, String)>, redb::Error> {
    let mut found = Vec::new();
    for row in txn.open_table(NOTES)?.iter()? {
        let (key, value) = row?;
        if value.value().0 <= now.millis() {
            let (topic, name) = key.value();
            found.push((topic.to_owned(), name.to_owned()));
        }
        if found.len() >= LAPSED_AT_ONCE {
            break;
        }
    }
    Ok(found)
}
