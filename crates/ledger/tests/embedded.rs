//! The embedded store as a file: opening, sharing, losing, copying it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

mod common;

use common::plan::show;
use common::{ManualClock, block_on, buy, hold, open, post, session, stream, unfit};
use std::sync::Arc;
use std::time::Duration;
use tollwire_ledger::Backup as _;
use tollwire_ledger::embedded::EmbeddedLedger;
use tollwire_ledger::spend::{Charge, Spent};
use tollwire_ledger::{Clock, Error, Ledger, Outcome, SystemClock};

const MINUTE: Duration = Duration::from_mins(1);

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

#[test]
fn a_missing_directory_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let why = unfit(EmbeddedLedger::open(directory.path().join("no/such/ledger.db"), clock()));
    assert!(why.contains("no/such does not exist; create it first"), "{why}");
}

#[test]
fn a_second_opener_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let first = EmbeddedLedger::open(&path, clock()).unwrap();
    let why = unfit(EmbeddedLedger::open(&path, clock()));
    assert!(why.contains("another process has this file open"), "{why}");
    drop(first);
    EmbeddedLedger::open(&path, clock()).unwrap();
}

#[test]
fn a_file_that_is_something_else_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notes.txt");
    let notes = b"remember the milk ".repeat(1_000);
    std::fs::write(&path, &notes).unwrap();
    let refused = EmbeddedLedger::open(&path, clock()).unwrap_err();
    assert!(refused.to_string().contains("notes.txt"), "{refused}");
    assert_eq!(std::fs::read(&path).unwrap(), notes);
}

#[cfg(unix)]
#[test]
fn the_file_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let _ledger = EmbeddedLedger::open(&path, clock()).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_file_deleted_under_us_is_a_lost_store() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let ledger = EmbeddedLedger::open(&path, clock()).unwrap();
    block_on(buy(&ledger, 1, 5));
    block_on(ledger.ready()).unwrap();
    let held = block_on(ledger.apply(hold(1, 1)));
    let Ok(Outcome::Held { fence, .. }) = held else { panic!("{held:?}") };
    let aside = directory.path().join("aside.db");
    std::fs::rename(&path, &aside).unwrap();
    assert_eq!(block_on(ledger.apply(hold(1, 2))), Err(Error::Lost));
    assert_eq!(block_on(ledger.apply(post(1, 1, fence))), Err(Error::Lost));
    assert_eq!(block_on(ledger.ready()), Err(Error::Lost));
    assert_eq!(block_on(ledger.watch(vec![session(1)])), Err(Error::Lost));
    std::fs::write(&path, b"").unwrap();
    assert_eq!(block_on(ledger.apply(hold(1, 2))), Err(Error::Lost), "another file is not ours");
    assert_eq!(block_on(ledger.apply(post(1, 1, fence))), Err(Error::Lost), "nor is it then");
    std::fs::rename(&aside, &path).unwrap();
    assert!(matches!(block_on(ledger.apply(post(1, 1, fence))), Ok(Outcome::Replayed(_))));
    assert!(matches!(block_on(ledger.apply(hold(1, 2))), Ok(Outcome::Held { .. })));
    drop(ledger);
    let ledger = EmbeddedLedger::open(&path, clock()).unwrap();
    let captured = block_on(ledger.stream(&session(1), &stream(1))).unwrap().unwrap();
    assert_eq!(captured.posted, 1, "what was answered for in the end was kept");
}

#[test]
fn a_backup_of_a_store_in_use_opens_like_the_original() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let now = || clock.shared();
    let ledger = EmbeddedLedger::open(directory.path().join("ledger.db"), now()).unwrap();
    block_on(buy(&ledger, 1, 5));
    assert!(block_on(open(&ledger, 1, 1)));
    assert!(block_on(ledger.once("nonce", MINUTE)).unwrap());
    let copy = directory.path().join("copy.db");
    ledger.backup(&copy).unwrap();
    let before = block_on(show(&ledger));
    assert!(block_on(open(&ledger, 1, 2)), "the original goes on");
    assert!(matches!(ledger.backup(&copy), Err(Error::Unfit(_))), "a backup overwrites nothing");
    let restored = EmbeddedLedger::open(&copy, now()).unwrap();
    assert_eq!(block_on(show(&restored)), before);
    assert!(!block_on(restored.once("nonce", MINUTE)).unwrap());
    assert!(block_on(open(&restored, 1, 3)));
}

#[test]
fn single_use_keys_are_used_once_and_pruned() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let path = directory.path().join("ledger.db");
    let ledger = EmbeddedLedger::open(&path, clock.shared()).unwrap();
    for n in 0..200 {
        assert!(block_on(ledger.once(&format!("key {n}"), Duration::from_secs(10))).unwrap());
        assert!(!block_on(ledger.once(&format!("key {n}"), Duration::from_secs(10))).unwrap());
    }
    clock.advance(10_000);
    for n in 200..300 {
        assert!(block_on(ledger.once(&format!("key {n}"), Duration::from_secs(10))).unwrap());
    }
    assert!(block_on(ledger.once("key 0", Duration::from_secs(10))).unwrap());
    drop(ledger);
    let db = redb::Database::open(&path).unwrap();
    let read = redb::ReadableDatabase::begin_read(&db).unwrap();
    let table: redb::ReadOnlyTable<&str, u64> = read.open_table(redb::TableDefinition::new("once")).unwrap();
    assert_eq!(redb::ReadableTableMetadata::len(&table).unwrap(), 101, "what is over is gone");
}

#[test]
fn what_was_spent_is_kept_and_what_is_over_is_pruned() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let path = directory.path().join("ledger.db");
    let spend = |ledger: &EmbeddedLedger, n: u64| {
        let charges = vec![Charge { counter: "settles".into(), amount: 1, limit: 20 }];
        block_on(ledger.spend("customer", &format!("payment {n}"), charges, MINUTE)).unwrap()
    };
    let ledger = EmbeddedLedger::open(&path, clock.shared()).unwrap();
    for n in 0..20 {
        assert_eq!(spend(&ledger, n), Spent::Done);
    }
    drop(ledger);
    let ledger = EmbeddedLedger::open(&path, clock.shared()).unwrap();
    assert_eq!(spend(&ledger, 7), Spent::Replayed);
    clock.advance(1_000);
    let again_in = MINUTE.saturating_sub(Duration::from_secs(1));
    assert_eq!(spend(&ledger, 20), Spent::Short { charge: 0, again_in });
    clock.advance(59_000);
    for n in 0..10 {
        assert_eq!(spend(&ledger, n), Spent::Done, "another window");
    }
    drop(ledger);
    let db = redb::Database::open(&path).unwrap();
    let read = redb::ReadableDatabase::begin_read(&db).unwrap();
    let rows: redb::TableDefinition<'_, (&str, u64, &str), u64> = redb::TableDefinition::new("spent");
    let table: redb::ReadOnlyTable<(&str, u64, &str), u64> = read.open_table(rows).unwrap();
    assert_eq!(redb::ReadableTableMetadata::len(&table).unwrap(), 11, "ten spendings and one counter");
}

#[test]
fn a_record_of_a_newer_version_is_not_guessed_at() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    drop(EmbeddedLedger::open(&path, clock()).unwrap());
    let write = |table: &str, key: &str, value: &[u8]| {
        let db = redb::Database::open(&path).unwrap();
        let txn = db.begin_write().unwrap();
        let rows: redb::TableDefinition<'_, &str, &[u8]> = redb::TableDefinition::new(table);
        txn.open_table(rows).unwrap().insert(key, value).unwrap();
        txn.commit().unwrap();
    };
    write("sessions", session(1).as_str(), &[3, 0, 0]);
    let ledger = EmbeddedLedger::open(&path, clock()).unwrap();
    assert!(matches!(block_on(ledger.session(&session(1))), Err(Error::Corrupt(_))));
    assert!(matches!(block_on(ledger.apply(hold(1, 1))), Err(Error::Corrupt(_))));
    block_on(buy(&ledger, 2, 1));
    assert!(block_on(open(&ledger, 2, 1)), "other sessions are served");
    drop(ledger);

    let db = redb::Database::open(&path).unwrap();
    let txn = db.begin_write().unwrap();
    let meta: redb::TableDefinition<'_, &str, u64> = redb::TableDefinition::new("meta");
    txn.open_table(meta).unwrap().insert("schema", 99).unwrap();
    txn.commit().unwrap();
    drop(db);
    let why = unfit(EmbeddedLedger::open(&path, clock()));
    assert!(why.contains("schema 99"), "{why}");
}

#[test]
fn dropping_the_ledger_finishes_what_is_queued() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let ledger = EmbeddedLedger::open(&path, clock()).unwrap();
    block_on(buy(&ledger, 1, 100));
    for n in 0..100 {
        drop(ledger.apply(hold(1, n)));
    }
    drop(ledger);
    let ledger = EmbeddedLedger::open(&path, clock()).unwrap();
    assert_eq!(block_on(ledger.session(&session(1))).unwrap().unwrap().held(), 100);
}

#[test]
fn it_keeps_its_birth_through_restarts_and_copies() {
    let directory = tempfile::tempdir().unwrap();
    let (path, copy) = (directory.path().join("ledger.db"), directory.path().join("copy.db"));
    let clock = ManualClock::new();
    let began = clock.shared().now();
    drop(EmbeddedLedger::open(&path, clock.shared()).unwrap());
    clock.advance(60_000);
    let reopened = EmbeddedLedger::open(&path, clock.shared()).unwrap();
    reopened.backup(&copy).unwrap();
    assert_eq!(block_on(reopened.born()), Ok(began));
    assert_eq!(block_on(EmbeddedLedger::open(&copy, clock.shared()).unwrap().born()), Ok(began));
    assert_ne!(clock.shared().now(), began);
}

#[test]
fn a_lease_of_work_ends_with_its_process_and_a_long_one_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let day = Duration::from_hours(24);
    let first = EmbeddedLedger::open(&path, clock()).unwrap();
    assert!(block_on(first.lease("work", "a", MINUTE)).unwrap());
    assert!(!block_on(first.lease("work", "b", MINUTE)).unwrap());
    assert!(block_on(first.lease("period", "a", MINUTE)).unwrap());
    assert!(block_on(first.lease("period", "a", day)).unwrap(), "made longer");
    drop(first);
    let second = EmbeddedLedger::open(&path, clock()).unwrap();
    assert!(block_on(second.lease("work", "b", MINUTE)).unwrap());
    assert!(!block_on(second.lease("period", "b", MINUTE)).unwrap());
    block_on(second.release("period", "a")).unwrap();
    assert!(block_on(second.lease("period", "b", MINUTE)).unwrap());
}
