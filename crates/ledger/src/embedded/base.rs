//! Payments, sessions, their streams and their journals as the tables have them: one consistent view, opened when it is
//! first needed and kept until the tables change.

use super::failure::Failure;
use super::tables::{JOURNAL, LIVE, PAYMENTS, SESSIONS, STREAMS};
use crate::model::{Payment, Session, Stream};
use crate::record;
use redb::{Database, Key, ReadOnlyTable, ReadTransaction, ReadableDatabase, TableDefinition, Value};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use tollwire_x402::{PaymentId, SessionId, StreamId};

/// The tables below what changed lately.
pub(super) struct Base {
    db: Arc<Database>,
    txn: Option<ReadTransaction>,
    payments: Option<ReadOnlyTable<&'static str, &'static [u8]>>,
    sessions: Option<ReadOnlyTable<&'static str, &'static [u8]>>,
    streams: Option<ReadOnlyTable<(&'static str, &'static str), &'static [u8]>>,
    live: Option<ReadOnlyTable<(&'static str, u64, &'static str), ()>>,
    journal: Option<ReadOnlyTable<(&'static str, u64), &'static [u8]>>,
}

impl Base {
    pub(super) fn of(db: Arc<Database>) -> Self {
        Self { db, txn: None, payments: None, sessions: None, streams: None, live: None, journal: None }
    }

    /// Lets go of the view: the next look is at the tables as they are then. The database cannot use the space of what has
    /// been overwritten since a view was opened, so none is kept for long.
    pub(super) fn forget(&mut self) {
        *self = Self::of(Arc::clone(&self.db));
    }

    pub(super) fn payment(&mut self, id: &PaymentId) -> Result<Option<Payment>, Failure> {
        let table = open(&mut self.payments, (&self.db, &mut self.txn), PAYMENTS)?;
        row(table, id.as_str(), "payment")
    }

    pub(super) fn session(&mut self, id: &SessionId) -> Result<Option<Session>, Failure> {
        let table = open(&mut self.sessions, (&self.db, &mut self.txn), SESSIONS)?;
        row(table, id.as_str(), "session")
    }

    pub(super) fn stream(&mut self, session: &SessionId, id: &StreamId) -> Result<Option<Stream>, Failure> {
        let table = open(&mut self.streams, (&self.db, &mut self.txn), STREAMS)?;
        row(table, (session.as_str(), id.as_str()), "stream")
    }

    /// How many streams of a session are marked live after `now`, counted up to `most`.
    pub(super) fn live(&mut self, session: &SessionId, now: u64, most: i64) -> Result<i64, Failure> {
        let table = open(&mut self.live, (&self.db, &mut self.txn), LIVE)?;
        let after = (session.as_str(), now.saturating_add(1), "")..(session.as_str(), u64::MAX, "");
        let live = table.range(after).map_err(Failure::store)?;
        Ok((0..most).zip(live).fold(0, |count, _| count + 1))
    }

    /// The number of the last line of a session's journal.
    pub(super) fn last_line(&mut self, session: &SessionId) -> Result<Option<u64>, Failure> {
        let table = open(&mut self.journal, (&self.db, &mut self.txn), JOURNAL)?;
        let lines = (session.as_str(), 0)..=(session.as_str(), u64::MAX);
        let last = table.range(lines).map_err(Failure::store)?.next_back();
        Ok(last.transpose().map_err(Failure::store)?.map(|(key, _)| key.value().1))
    }
}

/// The table, opened in the one view if it is not yet.
fn open<'a, K: Key + 'static, V: Value + 'static>(
    slot: &'a mut Option<ReadOnlyTable<K, V>>,
    (db, view): (&Database, &mut Option<ReadTransaction>),
    definition: TableDefinition<'static, K, V>,
) -> Result<&'a ReadOnlyTable<K, V>, Failure> {
    let table = if let Some(table) = slot.take() {
        table
    } else {
        let txn = match view.take() {
            Some(txn) => txn,
            None => db.begin_read().map_err(Failure::store)?,
        };
        view.insert(txn).open_table(definition).map_err(Failure::store)?
    };
    Ok(slot.insert(table))
}

fn row<K: Key + 'static, T: DeserializeOwned>(
    table: &ReadOnlyTable<K, &'static [u8]>,
    key: K::SelfType<'_>,
    what: &str,
) -> Result<Option<T>, Failure> {
    let Some(bytes) = table.get(key).map_err(Failure::store)? else { return Ok(None) };
    record::decode(bytes.value(), what).map(Some).map_err(Failure::Rows)
}
