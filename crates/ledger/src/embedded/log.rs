//! The log: a file beside the store's, to which what must not be forgotten is appended before anybody is answered.
//!
//! Rows go to many places of the store's file, and the same rows change again and again: recorded, attached, credited; held,
//! captured, ended. One write at the end of a file that has its size already is the least that makes them durable. Now and
//! then the rows, each as it then is, move into their tables together ([`super::pour`]), and once those are on the disk the
//! log begins anew. What a crash leaves in it moves when the store is opened. A store that was closed has none.

mod entry;
mod left;
#[cfg(test)]
mod tests;

pub(super) use left::{clear_away, read, try_place};

use super::changes::Changes;
use super::failure::storage;
use super::tables;
use crate::Error;
use crate::file::{self, FileIdentity};
use entry::{START, entry, header};
use redb::Database;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What the file grows by, at least. Its bytes are written once before they are used: then a sync has no new length and no
/// new blocks to make durable, too.
const GROWTH: u64 = 512 << 10;
/// From this size on the log is to begin anew: what is read again after a crash.
const LONG: u64 = 8 << 20;
/// The most room that is kept for the next entry.
const BUFFER_MAX: usize = 1 << 20;

/// The log of an open store.
pub(super) struct Log {
    path: PathBuf,
    open: Option<OpenLog>,
}

struct OpenLog {
    file: File,
    identity: FileIdentity,
    id: u64,
    /// The number of the last entry, and where it ends.
    last: u64,
    end: u64,
    /// How many bytes the file has.
    size: u64,
    /// The last entry whose changes are in the tables.
    poured: u64,
    /// Room for the next entry.
    buffer: Vec<u8>,
}

impl Log {
    /// Where the log of the store at `store` is.
    pub(super) fn beside(store: &Path) -> PathBuf {
        let mut path = store.as_os_str().to_owned();
        path.push(".wal");
        PathBuf::from(path)
    }

    /// The log at `path`; the file is made when it is first needed.
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path, open: None }
    }

    /// Adds an entry, durably.
    pub(super) fn append(&mut self, db: &Database, changes: &Changes) -> Result<(), Error> {
        let log = match self.open.take() {
            Some(log) => log,
            None => OpenLog::create(&self.path, db)?,
        };
        let log = self.open.insert(log);
        log.identity.check()?;
        let number = log.last.saturating_add(1);
        let entry = entry(std::mem::take(&mut log.buffer), log.id, number, changes)?;
        log.append(&entry).map_err(|error| unavailable(&self.path, &error))?;
        log.last = number;
        if entry.capacity() <= BUFFER_MAX {
            log.buffer = entry;
        }
        Ok(())
    }

    /// The last entry, if there is a log.
    pub(super) fn last(&self) -> Option<u64> {
        self.open.as_ref().map(|log| log.last)
    }

    /// What it has is in the tables; it may be needed until they are synced.
    pub(super) fn poured(&mut self) {
        if let Some(log) = &mut self.open {
            log.poured = log.last;
        }
    }

    /// What is in the tables is on the disk.
    pub(super) fn synced(&mut self) {
        if let Some(log) = self.open.as_mut().filter(|log| log.poured == log.last) {
            log.end = START;
        }
    }

    /// [`Error::Lost`] if the file is not where it was.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.open.as_ref().map_or(Ok(()), |log| log.identity.check())
    }

    /// Whether it should begin anew.
    pub(super) fn is_long(&self) -> bool {
        self.open.as_ref().is_some_and(|log| log.end >= LONG)
    }

    /// Removes a log whose changes are in the tables and on the disk.
    pub(super) fn close(&mut self, db: &Database) -> Result<(), Error> {
        let Some(log) = self.open.take() else { return Ok(()) };
        let txn = db.begin_write().map_err(storage)?;
        tables::finish_log(&txn)?;
        txn.commit().map_err(storage)?;
        // Not what somebody has put in its place.
        if log.identity.check().is_ok() { file::remove(&self.path) } else { Ok(()) }
    }
}

impl OpenLog {
    fn create(path: &Path, db: &Database) -> Result<Self, Error> {
        let file = file::create_new(path)?;
        let log = Self::begin(path, file, db);
        if log.is_err() {
            // The first error says more than a second would.
            let _best_effort = std::fs::remove_file(path);
        }
        log
    }

    /// A file without entries is nobody's; with the store's word it is its own.
    fn begin(path: &Path, mut file: File, db: &Database) -> Result<Self, Error> {
        let id = RandomState::new().hash_one(path);
        let identity = FileIdentity::of(path, &file)?;
        let size = START.saturating_add(GROWTH);
        file.write_all(&header(id))
            .and_then(|()| zeros(&mut file, size.saturating_sub(16)))
            .and_then(|()| file.sync_all())
            .map_err(|error| unavailable(path, &error))?;
        let txn = db.begin_write().map_err(storage)?;
        tables::begin_log(&txn, id)?;
        txn.commit().map_err(storage)?;
        Ok(Self { file, identity, id, last: 0, end: START, size, poured: 0, buffer: Vec::new() })
    }

    fn append(&mut self, entry: &[u8]) -> io::Result<()> {
        let length = u64::try_from(entry.len()).map_err(io::Error::other)?;
        let end = self.end.saturating_add(length);
        if end > self.size {
            let more = self.size.clamp(GROWTH, LONG).max(end.saturating_sub(self.size));
            self.file.seek(SeekFrom::Start(self.size))?;
            zeros(&mut self.file, more)?;
            self.file.sync_all()?;
            self.size = self.size.saturating_add(more);
        }
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(entry)?;
        self.file.sync_data()?;
        self.end = end;
        Ok(())
    }
}

fn zeros(file: &mut File, length: u64) -> io::Result<()> {
    io::copy(&mut io::Read::take(io::repeat(0), length), file).map(drop)
}

fn unavailable(path: &Path, error: &io::Error) -> Error {
    Error::Unavailable(format!("{}: {error}", path.display()))
}
