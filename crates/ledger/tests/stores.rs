//! The stores of this crate against each other, and against the clock and many hands at once.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

mod common;

use common::plan::{Fences, plan, play, show};
use common::{ManualClock, block_on, buy, open};
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tollwire_ledger::embedded::EmbeddedLedger;
use tollwire_ledger::memory::MemoryLedger;
use tollwire_ledger::{Ledger, SystemClock};

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_file_says_what_memory_says(steps in plan(80)) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.db");
        let clock = ManualClock::new();
        let now = || clock.shared();
        let memory = MemoryLedger::new(now());
        let embedded = EmbeddedLedger::open(&path, now()).unwrap();
        let (mut ours, mut theirs) = (Fences::default(), Fences::default());
        for step in &steps {
            clock.advance(step.later);
            let expected = block_on(play(&memory, &step.action, &mut ours));
            let answered = block_on(play(&embedded, &step.action, &mut theirs));
            prop_assert_eq!(answered, expected, "{:?}", step);
        }
        let expected = block_on(show(&memory));
        prop_assert_eq!(&block_on(show(&embedded)), &expected);
        drop(embedded);
        let reopened = EmbeddedLedger::open(&path, now()).unwrap();
        prop_assert_eq!(&block_on(show(&reopened)), &expected);
    }
}

/// 64 threads open streams of one session as fast as they can.
fn many_hands(ledger: &dyn Ledger, seats: u64) {
    const HANDS: u64 = 64;
    let opens_each = seats / HANDS * 4;
    block_on(buy(ledger, 1, seats));
    let admitted = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for hand in 0..HANDS {
            let admitted = &admitted;
            scope.spawn(move || {
                for n in 0..opens_each {
                    if block_on(open(ledger, 1, hand * opens_each + n)) {
                        admitted.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let session = block_on(ledger.session(&common::session(1))).unwrap().unwrap();
    assert_eq!(admitted.into_inner(), seats);
    assert_eq!((session.captured, session.held(), session.remaining()), (seats, 0, 0));
    let lines = block_on(ledger.journal(&common::session(1))).unwrap().len();
    assert_eq!(u64::try_from(lines), Ok(seats + 1));
}

#[test]
fn as_many_are_admitted_as_there_are_seats_in_memory() {
    many_hands(&MemoryLedger::new(Arc::new(SystemClock)), 1_024);
}

#[test]
fn as_many_are_admitted_as_there_are_seats_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    many_hands(&EmbeddedLedger::open(path, Arc::new(SystemClock)).unwrap(), 256);
}

/// Many hands record and credit the same payments with different candidate sessions.
#[test]
fn one_payment_opens_one_session_however_often_it_comes() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = EmbeddedLedger::open(directory.path().join("ledger.db"), Arc::new(SystemClock)).unwrap();
    let done = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for hand in 0..32_u64 {
            let (ledger, done) = (&ledger, &done);
            scope.spawn(move || {
                let recorded = block_on(ledger.apply(common::record(1, common::intent(hand, 7)))).unwrap();
                let (tollwire_ledger::Outcome::Done(view) | tollwire_ledger::Outcome::Replayed(view)) =
                    recorded
                else {
                    panic!("{recorded:?}");
                };
                let session = view.payment.unwrap().intent.session;
                let tollwire_ledger::Command::Credit { payment, landing, .. } = common::credit(1, hand)
                else {
                    unreachable!()
                };
                let credit = tollwire_ledger::Command::Credit { payment, session, landing };
                if matches!(block_on(ledger.apply(credit)).unwrap(), tollwire_ledger::Outcome::Done(_)) {
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(done.into_inner(), 1);
    let sessions = block_on(ledger.sessions(None, 100)).unwrap();
    assert_eq!(sessions.iter().map(|(_, session)| session.bought).collect::<Vec<_>>(), [7]);
}
