use super::entry::{HEAD, MAGIC, START, at_start, entry_at, header};
use super::left::{clear_away, read};
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
