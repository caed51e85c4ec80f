//! The embedded store's log: what was answered is in it, and gets from it into the tables, whatever happens between; and
//! what is said where it is not the store's, or not there.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

mod common;

use common::plan::{Fences, plan, play, show};
use common::{ManualClock, block_on, buy, hold, open, post, session, stream, unfit};
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tollwire_ledger::Backup as _;
use tollwire_ledger::embedded::EmbeddedLedger;
use tollwire_ledger::memory::MemoryLedger;
use tollwire_ledger::{Command, Error, Ledger, Outcome};

/// Sessions that no random plan touches.
const APART: u64 = 900;

/// Where a file's log is.
fn log_of(path: &Path) -> PathBuf {
    EmbeddedLedger::log_of(path)
}

/// What a crash at this moment would leave.
fn copy_with_log(path: &Path, left: &Path) {
    std::fs::copy(path, left).unwrap();
    std::fs::copy(log_of(path), log_of(left)).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// The file as it lies there while it is in use is what a crash leaves.
    #[test]
    fn what_a_crash_leaves_says_the_same(steps in plan(60)) {
        let directory = tempfile::tempdir().unwrap();
        let (path, left) = (directory.path().join("ledger.db"), directory.path().join("left.db"));
        let clock = ManualClock::new();
        let ledger = EmbeddedLedger::open(&path, clock.shared()).unwrap();
        block_on(buy(&ledger, APART, 1));
        let mut fences = Fences::default();
        for step in &steps {
            clock.advance(step.later);
            block_on(play(&ledger, &step.action, &mut fences));
        }
        // A capture makes durable whatever came before it, be it worth that or not.
        if block_on(open(&ledger, APART, 1)) {
            let expected = block_on(show(&ledger));
            copy_with_log(&path, &left);
            let opened = EmbeddedLedger::open(&left, clock.shared()).unwrap();
            prop_assert_eq!(&block_on(show(&opened)), &expected);
            drop(opened);
            prop_assert!(!log_of(&left).exists(), "the log is in the tables");
            let opened = EmbeddedLedger::open(&left, clock.shared()).unwrap();
            prop_assert_eq!(&block_on(show(&opened)), &expected);
        }
    }
}

/// Streams of three sessions are opened, captured and, most of them, ended, more of them than wait for their tables.
fn work(ledger: &dyn Ledger) {
    for n in 1..=3 {
        block_on(buy(ledger, n, 10_000));
    }
    for n in 0..3_000 {
        let of = 1 + n % 3;
        assert!(block_on(open(ledger, of, n)));
        if n % 5 != 0 {
            let (session, stream) = (session(of), stream(n));
            let end = Command::End { session, stream, fence: 1, used: 1 };
            assert!(matches!(block_on(ledger.apply(end)), Ok(Outcome::Done(_))));
        }
    }
}

#[test]
fn many_streams_are_counted_alike_before_and_after_they_are_in_the_tables() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let clock = ManualClock::new();
    let (memory, file) =
        (MemoryLedger::new(clock.shared()), EmbeddedLedger::open(&path, clock.shared()).unwrap());
    work(&memory);
    work(&file);
    let look = |ledger: &dyn Ledger| {
        let row = block_on(ledger.session(&session(2))).unwrap().unwrap();
        assert_eq!(row.live.len(), 200);
        let limited = |streams_max| match hold(2, 5_000) {
            Command::Hold { session, stream, fence, to, lease, .. } => {
                Command::Hold { session, stream, fence, to, lease, streams_max }
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(block_on(ledger.apply(limited(200))), Ok(Outcome::TooMany));
        assert!(matches!(block_on(ledger.apply(limited(201))), Ok(Outcome::Held { .. })));
        (block_on(show(ledger)), block_on(ledger.journal(&session(2))).unwrap())
    };
    let expected = look(&memory);
    assert_eq!(look(&file), expected);
    drop(file);
    assert!(!log_of(&path).exists());
    let again = EmbeddedLedger::open(&path, clock.shared()).unwrap();
    // The streams' time is over, and what is over is cleared away with the next that is opened.
    clock.advance(Duration::from_hours(2).as_millis().try_into().unwrap());
    assert_eq!(block_on(again.session(&session(2))).unwrap().unwrap().live.len(), 0);
    assert!(block_on(open(&again, 2, 6_000)));
    assert_eq!(block_on(again.journal(&session(2))).unwrap().len(), expected.1.len() + 1);
}

#[test]
fn a_backup_has_what_is_in_no_table_yet() {
    let directory = tempfile::tempdir().unwrap();
    let (path, copy) = (directory.path().join("ledger.db"), directory.path().join("copy.db"));
    let clock = ManualClock::new();
    let ledger = EmbeddedLedger::open(&path, clock.shared()).unwrap();
    block_on(buy(&ledger, 1, 5));
    for n in 1..=2 {
        assert!(block_on(open(&ledger, 1, n)));
    }
    // Of the two, this is what a crash may forget; an operator's copy may not.
    let end = Command::End { session: session(1), stream: stream(1), fence: 1, used: 1 };
    assert!(matches!(block_on(ledger.apply(end)), Ok(Outcome::Done(_))));
    let expected = block_on(show(&ledger));
    ledger.backup(&copy).unwrap();
    assert!(!log_of(&copy).exists());
    let restored = EmbeddedLedger::open(&copy, clock.shared()).unwrap();
    assert_eq!(block_on(show(&restored)), expected);
    assert_eq!(block_on(restored.session(&session(1))).unwrap().unwrap().live.len(), 1);
    assert!(matches!(block_on(restored.apply(post(1, 2, 1))), Ok(Outcome::Replayed(_))));
}

#[test]
fn files_of_the_schemas_before_are_taken_over() {
    for schema in [5, 6] {
        takes_over(schema);
    }
}

fn takes_over(schema: u64) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let clock = ManualClock::new();
    let ledger = EmbeddedLedger::open(&path, clock.shared()).unwrap();
    block_on(buy(&ledger, 1, 5));
    let expected = block_on(show(&ledger));
    drop(ledger);
    let db = redb::Database::open(&path).unwrap();
    let txn = db.begin_write().unwrap();
    let meta: redb::TableDefinition<'_, &str, u64> = redb::TableDefinition::new("meta");
    txn.open_table(meta).unwrap().insert("schema", schema).unwrap();
    if schema == 6 {
        // Its log was a table; the entry has nothing in either of its layers.
        let log: redb::TableDefinition<'_, u64, &[u8]> = redb::TableDefinition::new("log");
        txn.open_table(log).unwrap().insert(0, [4, 0, 0].as_slice()).unwrap();
    }
    txn.commit().unwrap();
    drop(db);
    for _ in 0..2 {
        let ledger = EmbeddedLedger::open(&path, clock.shared()).unwrap();
        assert_eq!(block_on(show(&ledger)), expected);
    }
    assert!(block_on(open(&EmbeddedLedger::open(&path, clock.shared()).unwrap(), 1, 1)));
}

#[test]
fn a_store_that_was_not_closed_needs_its_log_and_takes_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let [path, left, other] = ["ledger.db", "left.db", "other.db"].map(|name| directory.path().join(name));
    let clock = ManualClock::new();
    let again = || EmbeddedLedger::open(&left, clock.shared());
    let ledger = EmbeddedLedger::open(&path, clock.shared()).unwrap();
    block_on(buy(&ledger, 1, 5));
    assert!(block_on(open(&ledger, 1, 1)));
    let expected = block_on(show(&ledger));
    copy_with_log(&path, &left);
    let log = std::fs::read(log_of(&left)).unwrap();
    std::fs::remove_file(log_of(&left)).unwrap();
    let why = unfit(again());
    assert!(why.contains("left.db.wal") && why.contains("is missing"), "{why}");
    let stranger = EmbeddedLedger::open(&other, clock.shared()).unwrap();
    block_on(buy(&stranger, 2, 5));
    std::fs::copy(log_of(&other), log_of(&left)).unwrap();
    let why = unfit(again());
    assert!(why.contains("is not its log"), "{why}");
    std::fs::write(log_of(&left), log).unwrap();
    assert_eq!(block_on(show(&again().unwrap())), expected);
    assert!(!log_of(&left).exists(), "closed, it is one file");
    // The other way round: a store that needs none has one of another beside it.
    let copy = directory.path().join("copy.db");
    ledger.backup(&copy).unwrap();
    std::fs::copy(log_of(&path), log_of(&copy)).unwrap();
    let why = unfit(EmbeddedLedger::open(&copy, clock.shared()));
    assert!(why.contains("copy.db.wal") && why.contains("move it"), "{why}");
    assert!(log_of(&copy).exists(), "it may be all there is of somebody's last changes");
    let fresh = directory.path().join("fresh.db");
    std::fs::copy(log_of(&path), log_of(&fresh)).unwrap();
    assert!(unfit(EmbeddedLedger::open(&fresh, clock.shared())).contains("move it"));
}

#[test]
fn a_log_deleted_under_us_is_a_lost_store_until_it_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let clock = ManualClock::new();
    let ledger = EmbeddedLedger::open(&path, clock.shared()).unwrap();
    block_on(ledger.ready()).unwrap();
    block_on(buy(&ledger, 1, 5));
    std::fs::remove_file(log_of(&path)).unwrap();
    assert_eq!(block_on(ledger.ready()), Err(Error::Lost));
    assert!(matches!(block_on(ledger.apply(hold(1, 1))), Ok(Outcome::Held { fence: 1, .. })));
    assert_eq!(block_on(ledger.apply(post(1, 1, 1))), Err(Error::Lost));
    drop(ledger);
    let again = EmbeddedLedger::open(&path, clock.shared()).unwrap();
    assert!(matches!(block_on(again.apply(post(1, 1, 1))), Ok(Outcome::Replayed(_))));
    block_on(again.ready()).unwrap();
}

#[cfg(unix)]
#[test]
fn the_log_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let ledger = EmbeddedLedger::open(&path, ManualClock::new().shared()).unwrap();
    assert!(!log_of(&path).exists(), "it is made when it is needed");
    block_on(buy(&ledger, 1, 5));
    assert_eq!(std::fs::metadata(log_of(&path)).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_store_beside_which_no_log_can_be_is_refused_at_once() {
    let directory = tempfile::tempdir().unwrap();
    // The longest name that most file systems take; that of its log is longer.
    let path = directory.path().join("x".repeat(255));
    let why = unfit(EmbeddedLedger::open(&path, ManualClock::new().shared()));
    assert!(why.contains("xxx.wal"), "{why}");
}
