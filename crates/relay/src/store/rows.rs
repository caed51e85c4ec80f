//! Rows that change only if they are still what they were when they were read: all that the state of a paid call needs,
//! and one round trip for whoever knows the row.

use super::StoreError;
use std::future::Future;
use std::pin::Pin;
use tollwire_ledger::Timestamp;

/// A row that is kept for as long as dates have four digits.
pub const FOR_EVER: Timestamp = Timestamp::from_millis(253_402_300_799_000);

/// A boxed future, so that `Arc<dyn Rows>` works.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An answer that is there at once.
pub(crate) fn done<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, Result<T, StoreError>> {
    Box::pin(std::future::ready(Ok(value)))
}

/// A row as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// A number that no other content of the row has.
    pub version: u64,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// A change of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which row: printable ASCII without space.
    pub key: String,
    /// The version that the change was made from; `None` if there was no row.
    pub from: Option<u64>,
    /// What the row is from now on; `None` removes it.
    pub to: Option<Row>,
    /// When the row may be forgotten.
    pub keep_until: Timestamp,
    /// When somebody should look after the row; `None` takes it off the list of [`Rows::due`].
    pub due: Option<Timestamp>,
    /// Another name of the row, which no other row may have; kept as long as this change keeps the row.
    pub alias: Option<String>,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// It is durable.
    Done,
    /// Nothing was changed: this is the row now.
    Moved(Option<Row>),
    /// Nothing was changed: another row has the alias.
    Taken,
}

/// A store of rows.
pub trait Rows: Send + Sync {
    /// Reads a row.
    fn row(&self, key: &str) -> BoxFuture<'_, Result<Option<Row>, StoreError>>;

    /// Changes a row if it is still what the change was made from.
    fn change(&self, change: Change) -> BoxFuture<'_, Result<Changed, StoreError>>;

    /// Keys of rows that somebody should look after at `now`, the longest overdue first.
    fn due(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<String>, StoreError>>;
}

/// A version that no row has had.
pub fn fresh_version() -> Result<u64, StoreError> {
    getrandom::u64().map_err(|error| StoreError::Unavailable(format!("no randomness: {error}")))
}
