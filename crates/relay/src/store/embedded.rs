//! One database file, or one in memory, for all that the broker keeps.

use super::writer::Writer;
use super::{BoxFuture, StoreError};
use redb::backends::InMemoryBackend;
use redb::{
    Builder, Database, ReadTransaction, ReadableDatabase, ReadableTable as _, TableDefinition,
    WriteTransaction,
};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use tollwire_ledger::file::{self, FileIdentity};

/// Memory for pages of the file.
const CACHE_BYTES: usize = 32 << 20;

const META: TableDefinition<'static, &str, u64> = TableDefinition::new("relay_meta");
const SCHEMA: &str = "schema";
const SCHEMA_VERSION: u64 = 1;

/// An embedded database. Cheap to clone; clones are one database. One process at a time may open a file.
///
/// One thread writes: it applies what is waiting in one transaction, makes that durable with one sync, and only then
/// answers. Readers see what was committed and never wait for the writer.
#[derive(Clone)]
pub struct Embedded(Arc<Open>);

struct Open {
    // Declared before the database, so that the writer has finished when the file closes.
    writer: Writer,
    db: Arc<Database>,
}

impl Embedded {
    /// Opens the database at `path`, creating the file (not its directory) if there is none.
    ///
    /// [`StoreError::Unfit`] if the directory is missing, another process has the file open, it is somebody else's, or a
    /// newer version wrote it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let named = |error| match error {
            StoreError::Unavailable(why) | StoreError::Unfit(why) => {
                StoreError::Unfit(format!("{}: {why}", path.display()))
            }
            other => other,
        };
        let handle = file::open(path)?;
        let identity = FileIdentity::of(path, &handle)?;
        let mut builder = Builder::new();
        builder.set_cache_size(CACHE_BYTES);
        let db = builder.create_file(handle).map_err(|error| named(storage(error)))?;
        Self::prepared(db, Some(identity)).map_err(named)
    }

    /// A database that lives as long as its handles.
    pub fn memory() -> Result<Self, StoreError> {
        let db = Builder::new().create_with_backend(InMemoryBackend::new()).map_err(storage)?;
        Self::prepared(db, None)
    }

    fn prepared(db: Database, file: Option<FileIdentity>) -> Result<Self, StoreError> {
        let db = Arc::new(db);
        schema(&db)?;
        let writer = Writer::start(Arc::clone(&db), file)?;
        Ok(Self(Arc::new(Open { writer, db })))
    }

    /// Reads what was committed. A table that nobody has opened for writing yet does not exist: create tables when a
    /// module starts.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        read(&self.0.db.begin_read().map_err(storage)?)
    }

    /// Queues a change at once; the future waits until it is durable. Dropping the future does not undo it.
    ///
    /// `write` may run more than once, in a transaction that it shares with others: it must decide by what it finds
    /// there, and an error of its own undoes all that it wrote and nothing that others wrote.
    pub(crate) fn write<T, F>(
        &self,
        write: F,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnMut(&WriteTransaction) -> Result<T, StoreError> + Send + 'static,
    {
        self.0.writer.ask(write)
    }

    /// The same as [`read`](Self::read), for traits whose methods give futures, and for whatever fails by the database
    /// alone.
    pub(crate) fn read_boxed<'a, T: Send + 'a>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error>,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        Box::pin(std::future::ready(self.read(|txn| read(txn).map_err(storage))))
    }

    /// The same as [`write`](Self::write), likewise.
    pub(crate) fn write_boxed<'a, T: Send + 'static>(
        &self,
        mut write: impl FnMut(&WriteTransaction) -> Result<T, redb::Error> + Send + 'static,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        Box::pin(self.write(move |txn| write(txn).map_err(storage)))
    }
}

/// Creates the file's own table, or checks that this build can read the file.
fn schema(db: &Database) -> Result<(), StoreError> {
    let txn = db.begin_write().map_err(storage)?;
    let fresh = txn.list_tables().map_err(storage)?.next().is_none();
    {
        let mut meta = txn.open_table(META).map_err(storage)?;
        let found = meta.get(SCHEMA).map_err(storage)?.map(|version| version.value());
        match found {
            Some(SCHEMA_VERSION) => {}
            Some(other) => {
                return Err(StoreError::Unfit(format!(
                    "the file has schema {other}, this build reads {SCHEMA_VERSION}; use the build that wrote it"
                )));
            }
            None if fresh => drop(meta.insert(SCHEMA, SCHEMA_VERSION).map_err(storage)?),
            None => return Err(StoreError::Unfit("this is no file of the broker's".to_owned())),
        }
    }
    txn.commit().map_err(storage)
}

/// A database error as the store's.
pub(crate) fn storage(error: impl Into<redb::Error>) -> StoreError {
    match error.into() {
        redb::Error::Corrupted(why) => StoreError::Corrupt(why),
        redb::Error::DatabaseAlreadyOpen => {
            StoreError::Unfit("another process has this file open; one file serves one process".to_owned())
        }
        other => StoreError::Unavailable(other.to_string()),
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: TableDefinition<'static, u64, u64> = TableDefinition::new("test");

    fn insert(store: &Embedded, key: u64) -> impl Future<Output = Result<(), StoreError>> + use<> {
        store.write(move |txn| {
            txn.open_table(TABLE).map_err(storage)?.insert(key, key).map_err(storage)?;
            if key == 13 { Err(StoreError::Corrupt("unlucky".into())) } else { Ok(()) }
        })
    }

    fn keys(store: &Embedded) -> Vec<u64> {
        let read = store.read(|txn| {
            let table = txn.open_table(TABLE).map_err(storage)?;
            table.iter().map_err(storage)?.map(|row| Ok(row.map_err(storage)?.0.value())).collect()
        });
        read.unwrap()
    }

    #[tokio::test]
    async fn what_fails_undoes_itself_and_nothing_of_its_neighbours() {
        let store = Embedded::memory().unwrap();
        let all: Vec<_> = (10..16).map(|key| insert(&store, key)).collect();
        for (key, done) in (10..16).zip(all) {
            assert_eq!(done.await.is_ok(), key != 13, "{key}");
        }
        assert_eq!(keys(&store), [10, 11, 12, 14, 15]);
    }

    #[tokio::test]
    async fn a_file_is_kept_and_opened_once_and_is_nobody_else_s() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broker.db");
        let store = Embedded::open(&path).unwrap();
        insert(&store, 1).await.unwrap();
        assert!(
            matches!(Embedded::open(&path), Err(StoreError::Unfit(why)) if why.contains("another process"))
        );
        drop(store);
        let store = Embedded::open(&path).unwrap();
        assert_eq!(keys(&store), [1]);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(insert(&store, 2).await, Err(StoreError::Lost), "nobody would find it again");

        let foreign = folder.path().join("ledger.db");
        let clock = Arc::new(tollwire_ledger::SystemClock);
        drop(tollwire_ledger::embedded::EmbeddedLedger::open(&foreign, clock).unwrap());
        assert!(matches!(Embedded::open(&foreign), Err(StoreError::Unfit(why)) if why.contains("no file")));
    }
}
