//! The log: a file beside the store's, to which what must not be forgotten is appended before anybody is answered.
//!
//! Rows go to many places of the store's file, and the same rows change again and again: recorded, attached, credited; held,
//! captured, ended. One write at the end of a file that has its size already is the least that makes them durable. Now and
//! then the rows, each as it then is, move into their tables together ([`super::pour`]), and once those are on the disk the
//! log begins anew. What a crash leaves in it moves when the store is opened. A store that was closed has none.
//!
//! The file is a header, padded to [`START`], and entries one after the other: length of the changes (4 bytes), number (8),
//! CRC-32 (4) of the log's id, these two and the changes, then the changes; all numbers little-endian. Numbers grow by one
//! from entry to entry, also where the log begins anew: what an earlier round left behind the last entry has lower ones.

use super::changes::Changes;
use super::failure::storage;
use super::tables;
use crate::file::{self, FileIdentity};
use crate::{Error, record};
use redb::Database;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The first eight bytes of the file; the log's id follows.
const MAGIC: &[u8; 8] = b"TWLOG\0\0\x01";
/// Where the first entry begins.
const START: u64 = 4096;
/// Length, number and checksum of an entry.
const HEAD: usize = 16;
/// What the file grows by, at least. Its bytes are written once before they are used: then a sync has no new length and no
/// new blocks to make durable, too.
const GROWTH: u64 = 512 << 10;
/// From this size on the log is to begin anew: what is read again after a crash.
const LONG: u64 = 8 << 20;
/// The most room that is kept for the next entry.
const BUFFER_MAX: usize = 1 << 20;
/// Numbers that can be told from chance.
const AHEAD_MAX: u64 = 1 << 20;

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

/// Reads the log with this id: the changes of its entries after number `poured`.
///
/// [`Error::Unfit`] if the file is missing or another store's, [`Error::Corrupt`] if entries are missing or damaged that were
/// answered for. What was being written when the process died is not.
pub(super) fn read(path: &Path, id: u64, poured: u64) -> Result<Changes, Error> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Error::Unfit(format!(
                "the store was not closed, and {}, which has its last changes, is missing; bring it back beside the store",
                path.display()
            )));
        }
        Err(error) => return Err(unavailable(path, &error)),
    };
    if id_of(&bytes) != Some(id) {
        return Err(Error::Unfit(format!(
            "the store was not closed, and {} is not its log; bring back the one that was beside it",
            path.display()
        )));
    }
    let damaged = |number: u64| Error::Corrupt(format!("{}: entry {number} is damaged", path.display()));
    let mut changes = Changes::default();
    let mut next = None;
    let mut at = at_start();
    while let Some((number, entry)) = entry_at(&bytes, at, id) {
        match next {
            None if number > poured.saturating_add(1) => return Err(damaged(poured.saturating_add(1))),
            Some(next) if number != next => break,
            None | Some(_) => {}
        }
        if number > poured {
            changes.merge(record::decode(entry, &format!("log entry {number}"))?);
        }
        next = Some(number.saturating_add(1));
        at = at.saturating_add(HEAD).saturating_add(entry.len());
    }
    // The next is begun when the one before is on the disk, so whatever comes later says that this one was.
    let expected = next.unwrap_or_default().max(poured.saturating_add(1));
    let later = expected.saturating_add(1)..expected.saturating_add(AHEAD_MAX);
    let beyond = (at..bytes.len()).any(|at| {
        number_at(&bytes, at).is_some_and(|number| later.contains(&number))
            && entry_at(&bytes, at, id).is_some()
    });
    if beyond { Err(damaged(expected)) } else { Ok(changes) }
}

/// Removes a log that has nothing for the store: one with the id `finished`, or one that was only begun.
///
/// [`Error::Unfit`] if it is another store's.
pub(super) fn clear_away(path: &Path, finished: Option<u64>) -> Result<(), Error> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unavailable(path, &error)),
    };
    let id = id_of(&bytes);
    let begun = if bytes.starts_with(MAGIC) {
        id.is_none_or(|id| entry_at(&bytes, at_start(), id).is_none())
    } else {
        bytes.iter().all(|byte| *byte == 0)
    };
    if begun || (id.is_some() && id == finished) {
        return file::remove(path);
    }
    Err(Error::Unfit(format!(
        "{} is not of this store, but perhaps has the last changes of another; move it to where that one is, or away",
        path.display()
    )))
}

/// Whether a log can be made at `path`, which is free: found out when a store is opened, not by the first who pays.
///
/// [`Error::Unfit`] if not.
pub(super) fn try_place(path: &Path) -> Result<(), Error> {
    file::create_new(path)?;
    file::remove(path)
}

fn header(id: u64) -> [u8; 16] {
    let mut header = [0; 16];
    let (magic, number) = header.split_at_mut(8);
    magic.copy_from_slice(MAGIC);
    number.copy_from_slice(&id.to_le_bytes());
    header
}

fn id_of(bytes: &[u8]) -> Option<u64> {
    let id = bytes.strip_prefix(MAGIC)?.first_chunk()?;
    Some(u64::from_le_bytes(*id))
}

fn at_start() -> usize {
    usize::try_from(START).unwrap_or(usize::MAX)
}

fn entry(mut buffer: Vec<u8>, id: u64, number: u64, changes: &Changes) -> Result<Vec<u8>, Error> {
    buffer.clear();
    buffer.resize(HEAD, 0);
    let mut entry = record::encode_onto(buffer, changes)?;
    let (head, changes) = entry.split_at_mut(HEAD);
    let length = u32::try_from(changes.len())
        .map_err(|_| Error::Unavailable("more has changed than one entry of the log can have".to_owned()))?;
    let sum = checksum(id, number, length, changes);
    let (of_length, rest) = head.split_at_mut(4);
    let (of_number, of_sum) = rest.split_at_mut(8);
    of_length.copy_from_slice(&length.to_le_bytes());
    of_number.copy_from_slice(&number.to_le_bytes());
    of_sum.copy_from_slice(&sum.to_le_bytes());
    Ok(entry)
}

/// The number and the changes of the entry that begins there, if one does.
fn entry_at(bytes: &[u8], at: usize, id: u64) -> Option<(u64, &[u8])> {
    let rest = bytes.get(at..)?;
    let (length, rest) = rest.split_first_chunk()?;
    let (number, rest) = rest.split_first_chunk()?;
    let (sum, rest) = rest.split_first_chunk()?;
    let (length, number) = (u32::from_le_bytes(*length), u64::from_le_bytes(*number));
    let changes = rest.get(..usize::try_from(length).ok()?)?;
    let whole = number > 0 && checksum(id, number, length, changes) == u32::from_le_bytes(*sum);
    whole.then_some((number, changes))
}

fn number_at(bytes: &[u8], at: usize) -> Option<u64> {
    let number = bytes.get(at.checked_add(4)?..)?.first_chunk()?;
    Some(u64::from_le_bytes(*number))
}

fn checksum(id: u64, number: u64, length: u32, changes: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&id.to_le_bytes());
    sum.update(&number.to_le_bytes());
    sum.update(&length.to_le_bytes());
    sum.update(changes);
    sum.finalize()
}

fn zeros(file: &mut File, length: u64) -> io::Result<()> {
    io::copy(&mut io::Read::take(io::repeat(0), length), file).map(drop)
}

fn unavailable(path: &Path, error: &io::Error) -> Error {
    Error::Unavailable(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;
    use crate::command::{Entry, EntryKind};
    use crate::model::Stream;
    use redb::Builder;
    use redb::backends::InMemoryBackend;
    use tempfile::TempDir;

    const STREAM: &str = "7d444840-9dc0-4acd-b245-5ffdce74fad3";

    fn posted(posted: u64) -> Changes {
        let session = "7d444840-9dc0-4acd-b245-5ffdce74fad2".parse().unwrap();
        let mut changes = Changes::default();
        let row = Stream { posted, ..Stream::default() };
        changes.sheet(&session).streams.insert(STREAM.parse().unwrap(), row);
        changes
    }

    /// A log with entries 1 to `entries`, each of which posts its number.
    fn log(entries: u64) -> (Log, Database, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let db = Builder::new().create_with_backend(InMemoryBackend::new()).unwrap();
        let path = folder.path().join("store.wal");
        tables::prepare(&db, &path, Timestamp::from_millis(1), true).unwrap();
        let mut log = Log::at(path);
        for number in 1..=entries {
            log.append(&db, &posted(number)).unwrap();
        }
        (log, db, folder)
    }

    fn id(log: &Log) -> u64 {
        log.open.as_ref().unwrap().id
    }

    fn left(log: &Log, poured: u64) -> Result<Changes, Error> {
        read(&log.path, id(log), poured)
    }

    /// Where the entries begin in the file, and where the last ends.
    fn places(log: &Log) -> Vec<usize> {
        let bytes = std::fs::read(&log.path).unwrap();
        let mut places = vec![at_start()];
        while let Some((_, entry)) = entry_at(&bytes, *places.last().unwrap(), id(log)) {
            places.push(places.last().unwrap() + HEAD + entry.len());
        }
        places
    }

    fn damage(log: &Log, at: usize) {
        let mut bytes = std::fs::read(&log.path).unwrap();
        bytes[at] ^= 1;
        std::fs::write(&log.path, bytes).unwrap();
    }

    #[test]
    fn entries_after_the_last_that_is_in_the_tables_are_left() {
        let (log, _db, _folder) = log(3);
        assert_eq!(left(&log, 0), Ok(posted(3)));
        assert_eq!(left(&log, 2), Ok(posted(3)));
        assert_eq!(left(&log, 3), Ok(Changes::default()));
    }

    #[test]
    fn it_begins_anew_once_the_tables_are_on_the_disk_and_what_is_behind_does_not_count() {
        let (mut log, db, _folder) = log(3);
        log.synced();
        log.append(&db, &posted(4)).unwrap();
        assert_eq!(places(&log).len(), 5, "the tables lack entry 4");
        log.poured();
        log.append(&db, &posted(5)).unwrap();
        log.synced();
        log.append(&db, &posted(6)).unwrap();
        assert_eq!(places(&log).len(), 7, "the tables lack entry 5");
        log.poured();
        log.synced();
        log.append(&db, &posted(7)).unwrap();
        assert_eq!(left(&log, 6), Ok(posted(7)));
        assert_eq!(left(&log, 5), Err(damaged(&log, 6)), "6 is gone");
        // The next one was not written whole.
        let end = places(&log)[1];
        damage(&log, end - 1);
        assert_eq!(left(&log, 6), Ok(Changes::default()));
    }

    fn damaged(log: &Log, number: u64) -> Error {
        Error::Corrupt(format!("{}: entry {number} is damaged", log.path.display()))
    }

    #[test]
    fn the_last_entry_may_be_torn_and_no_other() {
        let (log, _db, _folder) = log(4);
        let places = places(&log);
        for (number, pair) in (1..).zip(places.windows(2)) {
            for at in pair[0]..pair[1] {
                damage(&log, at);
                if number == 4 {
                    assert_eq!(left(&log, 0), Ok(posted(3)), "byte {at}");
                } else {
                    assert_eq!(left(&log, 0), Err(damaged(&log, number)), "byte {at}");
                }
                damage(&log, at);
            }
        }
        assert_eq!(left(&log, 0), Ok(posted(4)));
        // Cut anywhere, it has what is before.
        let bytes = std::fs::read(&log.path).unwrap();
        std::fs::write(&log.path, &bytes[..places[2] - 1]).unwrap();
        assert_eq!(left(&log, 0), Ok(posted(1)));
    }

    #[test]
    fn a_log_that_is_missing_or_another_s_is_said_to_be() {
        let (log, _db, _folder) = log(1);
        assert!(
            matches!(read(&log.path, id(&log) ^ 1, 0), Err(Error::Unfit(why)) if why.contains("is not its log"))
        );
        std::fs::remove_file(&log.path).unwrap();
        assert!(matches!(left(&log, 0), Err(Error::Unfit(why)) if why.contains("is missing")));
    }

    #[test]
    fn it_grows_and_entries_of_any_length_are_read() {
        let (mut log, db, _folder) = log(0);
        let session = "7d444840-9dc0-4acd-b245-5ffdce74fad2".parse().unwrap();
        let line = |length: usize| {
            let payment = Some("x".repeat(length).parse().unwrap());
            let kind = EntryKind::Credit;
            Entry { at: Timestamp::default(), kind, units: 1, stream: None, payment }
        };
        let mut all = Changes::default();
        let lengths = (16..=200).map(|length| (1, length)).chain((0..40).map(|more| (more * 9, 200)));
        for (count, length) in lengths {
            let mut changes = posted(1);
            changes.sheet(&session).lines.extend((0..count).map(|number| (number + 7 * count, line(length))));
            log.append(&db, &changes).unwrap();
            all.merge(changes);
        }
        assert!(std::fs::metadata(&log.path).unwrap().len() > START + 2 * GROWTH);
        assert_eq!(left(&log, 0), Ok(all));
    }

    #[test]
    fn only_a_log_that_nobody_needs_is_cleared_away() {
        let (mut log, db, folder) = log(1);
        let other = folder.path().join("other.wal");
        let of_another = |finished| clear_away(&other, finished);
        assert_eq!(of_another(None), Ok(()), "there is none");
        std::fs::copy(&log.path, &other).unwrap();
        for finished in [None, Some(id(&log) ^ 1)] {
            assert!(matches!(of_another(finished), Err(Error::Unfit(why)) if why.contains("move it")));
        }
        assert_eq!(of_another(Some(id(&log))), Ok(()));
        assert!(!other.exists());
        // What a crash leaves of one that was being begun.
        for begun in [&[][..], &[0; 5000], MAGIC, &header(7)] {
            std::fs::write(&other, begun).unwrap();
            assert_eq!(of_another(None), Ok(()));
            assert!(!other.exists());
        }
        log.poured();
        log.close(&db).unwrap();
        assert!(!log.path.exists());
    }
}
