//! The embedded store's commands, whoever applies them: in the order in which they were asked.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

mod common;

use common::{ManualClock, block_on, buy, hold, post, session, stream};
use std::sync::Arc;
use std::time::Duration;
use tollwire_ledger::embedded::EmbeddedLedger;
use tollwire_ledger::{Command, Ledger, Outcome};

/// Callers at the same time, and streams of each.
const CALLERS: u64 = 4;
const STREAMS: u64 = 250;

fn held(ledger: &dyn Ledger, session_n: u64, stream_n: u64) -> u64 {
    match block_on(ledger.apply(hold(session_n, stream_n))).unwrap() {
        Outcome::Held { fence, .. } => fence,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_a_caller_asks_is_done_in_order_without_waiting_for_answers() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let path = directory.path().join("ledger.db");
    let ledger = Arc::new(EmbeddedLedger::open(&path, clock.shared()).unwrap());
    let callers: Vec<_> = (1..=CALLERS)
        .map(|n| {
            let ledger = Arc::clone(&ledger);
            std::thread::spawn(move || {
                block_on(buy(&*ledger, n, STREAMS));
                for number in 1..=STREAMS {
                    let fence = held(&*ledger, n, number);
                    // Every third stream finds the writer at work, and what waits for it is not overtaken.
                    let key = format!("{n}-{number}");
                    let busy = (number % 3 == 0).then(|| ledger.once(&key, Duration::from_mins(1)));
                    let posted = ledger.apply(post(n, number, fence));
                    let end = Command::End { session: session(n), stream: stream(number), fence, used: 1 };
                    let ended = ledger.apply(end);
                    let ended = block_on(ended).unwrap();
                    assert!(matches!(ended, Outcome::Done(_)), "{number}: {ended:?}");
                    let posted = block_on(posted).unwrap();
                    assert!(matches!(posted, Outcome::Done(_)), "{number}: {posted:?}");
                    assert!(busy.is_none_or(|busy| block_on(busy).unwrap()));
                }
            })
        })
        .collect();
    for caller in callers {
        caller.join().unwrap();
    }
    drop(ledger);
    let again = EmbeddedLedger::open(&path, clock.shared()).unwrap();
    for n in 1..=CALLERS {
        let row = block_on(again.session(&session(n))).unwrap().unwrap();
        assert_eq!((row.captured, row.live.len()), (STREAMS, 0), "session {n}");
    }
}
