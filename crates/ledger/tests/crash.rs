//! `kill -9` of a process that uses the embedded store, at random moments: what was answered is still there.
//!
//! The child is this test binary run again with [`CHILD`] set: it opens streams from several threads and prints each
//! admitted one after its answer. The parent kills it, opens the file and compares.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

mod common;

use common::{block_on, buy, open, order, payment, session, stream};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use tollwire_ledger::core::check_invariants;
use tollwire_ledger::embedded::EmbeddedLedger;
use tollwire_ledger::model::{Fate, RefundId};
use tollwire_ledger::{Command as Deed, Ledger, Outcome, SystemClock};

const CHILD: &str = "TOLLWIRE_LEDGER_CRASH_CHILD";
const KILLS: u64 = 40;
const HANDS: u64 = 4;

fn ledger(path: &Path) -> EmbeddedLedger {
    EmbeddedLedger::open(path, Arc::new(SystemClock)).unwrap()
}

/// The child: never ends by itself.
fn work(path: &Path, round: u64) {
    let ledger = ledger(path);
    say("ready");
    std::thread::scope(|scope| {
        for hand in 0..HANDS {
            let ledger = &ledger;
            scope.spawn(move || {
                for n in 0.. {
                    let id = round * 10_000_000 + hand * 1_000_000 + n;
                    // A payment of its own for every tenth stream, so that money is in flight too; in every third round none,
                    // so that streams alone fill the log.
                    if n % 10 == 0 && !round.is_multiple_of(3) {
                        block_on(buy(ledger, 1_000 + id, 3));
                        say(&format!("bought {id}"));
                        // Now and then what concerns other tables, and has all that is recent put in its place.
                        if n % 30 == 0 {
                            give_back(ledger, 1_000 + id);
                            say(&format!("returned {id}"));
                        }
                    }
                    if block_on(open(ledger, 1, id)) {
                        say(&format!("opened {id}"));
                    }
                }
            });
        }
    });
}

/// Closes a session and orders what remains of it to be paid back.
fn give_back(ledger: &dyn Ledger, n: u64) {
    let close = Deed::Close { session: session(n) };
    assert!(matches!(block_on(ledger.apply(close)), Ok(Outcome::Done(_))));
    let row = block_on(ledger.session(&session(n))).unwrap();
    let refund = Deed::Refund { session: session(n), refund: Box::new(order(row.as_ref(), u8::MAX)) };
    assert!(matches!(block_on(ledger.apply(refund)), Ok(Outcome::Done(_))));
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

#[test]
fn what_was_answered_survives_kill_9() {
    if let Ok(told) = std::env::var(CHILD) {
        let (path, round) = told.rsplit_once(' ').unwrap();
        return work(Path::new(path), round.parse().unwrap());
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    block_on(buy(&ledger(&path), 1, 1_000_000_000));
    let (mut opened, mut bought, mut returned) = (0, 0, 0);
    for round in 1..=KILLS {
        let lines = run_and_kill(&path, round);
        let ledger = ledger(&path);
        for line in &lines {
            let (what, id) = line.split_once(' ').unwrap();
            let id: u64 = id.parse().unwrap();
            if what == "opened" {
                let found = block_on(ledger.stream(&session(1), &stream(id))).unwrap();
                assert_eq!(found.map(|row| row.posted), Some(1), "round {round}: {line}");
                opened += 1;
            } else if what == "bought" {
                let found = block_on(ledger.session(&session(1_000 + id))).unwrap();
                assert_eq!(found.map(|row| row.bought), Some(3), "round {round}: {line}");
                let found = block_on(ledger.payment(&payment(1_000 + id))).unwrap();
                assert!(
                    matches!(found.map(|row| row.fate), Some(Fate::Credited(_))),
                    "round {round}: {line}"
                );
                bought += 1;
            } else {
                let of = RefundId { session: session(1_000 + id), number: 1 };
                assert!(block_on(ledger.refund(&of)).unwrap().is_some(), "round {round}: {line}");
                let found = block_on(ledger.session(&of.session)).unwrap();
                assert_eq!(
                    found.map(|row| (row.closed, row.refunded)),
                    Some((true, 3)),
                    "round {round}: {line}"
                );
                returned += 1;
            }
        }
        let row = block_on(ledger.session(&session(1))).unwrap().unwrap();
        assert_eq!(check_invariants(&row), Ok(()));
        assert!(row.captured >= opened, "{} captured, {opened} answered", row.captured);
        // One journal line for every unit: the rows of one command are there together or not at all.
        let lines = block_on(ledger.journal(&session(1))).unwrap();
        assert_eq!(u64::try_from(lines.len()), Ok(row.captured + 1), "round {round}");
        for (id, payment) in block_on(ledger.in_doubt(None, 1_000)).unwrap() {
            let session = block_on(ledger.session(&payment.intent.session)).unwrap();
            assert_eq!(session, None, "{id} is in doubt, yet its session has units");
        }
    }
    assert!(
        opened > KILLS && bought > KILLS && returned > 0,
        "the child did no work: {opened} opened, {bought} bought, {returned} returned"
    );
}

fn run_and_kill(path: &Path, round: u64) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "what_was_answered_survives_kill_9"])
        .env(CHILD, format!("{} {round}", path.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let started = lines.by_ref().map(Result::unwrap).any(|line| line.ends_with("ready"));
    assert!(started, "the child did not start");
    // Which answer the kill follows is what varies; the other threads are in the midst of theirs. Some get so far that what
    // is recent is moved into the tables, and the log begins anew.
    let survived = if round % 8 == 5 { 150 + round * 5 } else { 1 + round * 37 % 24 };
    let mut seen = Vec::new();
    for line in lines.map_while(Result::ok) {
        seen.push(line);
        if u64::try_from(seen.len()) == Ok(survived) {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    // The last line may have been cut.
    seen.pop();
    seen
}
