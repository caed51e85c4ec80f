//! Extend, End, recall, the limit on open streams.

use super::*;

const BIG: u64 = (1 << 53) - 1;

fn end_used(stream: &str, used: u64) -> Command {
    Command::End { session: session_id(), stream: stream_id(stream), fence: 1, used }
}

#[test]
fn what_was_used_is_captured_and_half_of_the_rest_is_the_most_that_is_held() {
    let mut books = Books::with_units(100);
    books.play(&[
        (0, hold("a", None, 1), "held 1 posted 0"),
        (0, extend("a", 1, (0, 0, 500)), "held 1 posted 0"),
    ]);
    assert_eq!(books.sums(), (0, 50, 50));
    books.play(&[(SECOND, extend("a", 1, (40, 40, 540)), "held 1 posted 40")]);
    assert_eq!(books.sums(), (40, 30, 30));
    // A wish below its share is met, and a hold shrinks to it.
    books.play(&[(SECOND, extend("a", 1, (41, 41, 43)), "held 1 posted 41")]);
    assert_eq!(books.sums(), (41, 2, 57));
    books.play(&[(0, extend("a", 1, (41, 41, 41)), "held 1 posted 41")]);
    assert_eq!(books.sums(), (41, 0, 59));
}

#[test]
fn a_need_is_met_beyond_the_share_or_not_at_all() {
    let mut books = Books::with_units(10);
    books.play(&[
        (0, hold("a", None, 1), "held 1 posted 0"),
        (0, extend("a", 1, (0, 10, 10)), "held 1 posted 0"),
    ]);
    assert_eq!(books.sums(), (0, 10, 0));
    books.play(&[(0, extend("a", 1, (4, 11, 11)), "exhausted")]);
    assert_eq!(books.sums(), (4, 0, 6), "what was used is captured, the rest is free again");
    assert_eq!(books.session.as_ref().unwrap().recalled, None);
}

#[test]
fn said_twice_counts_once() {
    let mut books = Books::with_units(10);
    books.play(&[
        (0, hold("a", None, 1), "held 1 posted 0"),
        (0, extend("a", 1, (0, 4, 4)), "held 1 posted 0"),
        (0, extend("a", 1, (3, 4, 4)), "held 1 posted 3"),
        (0, extend("a", 1, (3, 4, 4)), "held 1 posted 3"),
        // An older word comes late.
        (0, extend("a", 1, (2, 3, 3)), "held 1 posted 3"),
        (0, end_used("a", 4), "done"),
        (0, end_used("a", 4), "replayed"),
    ]);
    assert_eq!(books.sums(), (4, 0, 6));
    assert_eq!(books.journal, ["Credit 10", "Capture 4"]);
}

#[test]
fn a_late_word_neither_takes_a_hold_away_nor_wakes_a_stream_that_has_ended() {
    let mut books = Books::with_units(100);
    books.play(&[
        (0, hold("a", None, 1), "held 1 posted 0"),
        (0, extend("a", 1, (5, 5, 9)), "held 1 posted 5"),
        (0, extend("a", 1, (3, 4, 5)), "held 1 posted 5"),
    ]);
    assert_eq!(books.sums(), (5, 4, 91));
    books.play(&[(0, end_used("a", 6), "done")]);
    books.play(&[(0, extend("a", 1, (5, 9, 9)), "conflict"), (0, post("a", 1, 6), "lapsed")]);
    assert_eq!(books.sums(), (6, 0, 94));
}

#[test]
fn numbers_out_of_order_change_nothing() {
    let mut books = Books::with_units(10);
    books.play(&[
        (0, hold("a", None, 1), "held 1 posted 0"),
        (0, extend("a", 1, (2, 1, 3)), "conflict"),
        (0, extend("a", 1, (1, 3, 2)), "conflict"),
        (0, extend("a", 1, (1, 1, BIG + 1)), "conflict"),
        (0, extend("a", 2, (1, 1, 1)), "fenced"),
        (0, extend("b", 1, (1, 1, 1)), "unknown"),
    ]);
    assert_eq!(books.sums(), (0, 1, 9));
}

#[test]
fn a_lapsed_hold_is_made_good_from_what_remains_and_the_rest_is_forgone() {
    let mut books = Books::with_units(10);
    books.play(&[
        (0, hold("a", None, 1), "held 1 posted 0"),
        (0, extend("a", 1, (0, 6, 6)), "held 1 posted 0"),
        // Beyond the lease: somebody else takes seven.
        (11 * SECOND, hold("b", None, 7), "held 1 posted 0"),
        (0, extend("a", 1, (6, 6, 6)), "held 1 posted 6"),
    ]);
    assert_eq!(books.sums(), (3, 7, 0));
    assert_eq!(books.journal, ["Credit 10", "Forgo 3"]);
    books.play(&[(0, end("a", 1), "done")]);
    assert_eq!(books.journal.last().unwrap(), "Capture 3");
}

#[test]
fn what_was_captured_from_nobody_is_not_given_back() {
    let mut books = Books::with_units(1);
    books.play(&[
        (0, hold("a", None, 1), "held 1 posted 0"),
        // Beyond the lease: somebody else takes the one unit there is.
        (11 * SECOND, hold("b", None, 1), "held 1 posted 0"),
        (0, extend("a", 1, (1, 1, 1)), "held 1 posted 1"),
        (0, reverse("a", 1), "conflict"),
    ]);
    assert_eq!(books.sums(), (0, 1, 0));
    assert_eq!(books.journal, ["Credit 1", "Forgo 1"]);
}

#[test]
fn whoever_is_short_recalls_what_the_others_do_not_need() {
    let mut books = Books::with_units(8);
    books.play(&[
        (0, hold("a", None, 1), "held 1 posted 0"),
        (0, extend("a", 1, (0, 8, 8)), "held 1 posted 0"),
        (0, hold("b", None, 1), "exhausted, held elsewhere"),
    ]);
    let recalled = books.session.as_ref().unwrap().recalled;
    assert_eq!(recalled, Some(Timestamp::from_millis(0)));
    // Asked again within a second it is noted once.
    books.play(&[(500, hold("b", None, 1), "exhausted, held elsewhere")]);
    assert_eq!(books.session.as_ref().unwrap().recalled, recalled);
    // The holder gets a smaller share now, and there is room.
    books.play(&[
        (0, extend("a", 1, (2, 2, 8)), "held 1 posted 2"),
        (0, hold("b", None, 1), "held 1 posted 0"),
    ]);
    assert_eq!(books.sums(), (2, 2, 4));
}

#[test]
fn nobody_keeps_the_last_unit_for_later() {
    let mut books = Books::with_units(1);
    books.play(&[
        (0, hold("a", None, 1), "held 1 posted 0"),
        (0, extend("a", 1, (0, 0, 1)), "held 1 posted 0"),
        (0, hold("b", None, 1), "exhausted, held elsewhere"),
        (0, extend("a", 1, (0, 0, 1)), "held 1 posted 0"),
        (0, hold("b", None, 1), "held 1 posted 0"),
    ]);
    assert_eq!(books.sums(), (0, 1, 0));
}

#[test]
fn use_is_captured_from_a_session_that_serves_no_more() {
    let mut books = Books::with_units(10);
    books.play(&[
        (0, hold("a", None, 1), "held 1 posted 0"),
        (0, extend("a", 1, (0, 5, 5)), "held 1 posted 0"),
        (0, revoke(), "done"),
        (0, extend("a", 1, (3, 3, 9)), "revoked"),
    ]);
    assert_eq!(books.sums(), (3, 0, 7));
    let mut books = Books::with_units(10);
    books.play(&[
        (0, hold("a", None, 1), "held 1 posted 0"),
        (BALANCE_TTL - 5 * SECOND, extend("a", 1, (0, 5, 5)), "held 1 posted 0"),
        (5 * SECOND, extend("a", 1, (3, 3, 9)), "expired"),
    ]);
    assert_eq!(books.sums(), (3, 0, 7));
}

#[test]
fn the_journal_is_told_at_the_end_and_once_an_hour() {
    let mut books = Books::with_units(100);
    books.session.as_mut().unwrap().balance_until = Timestamp::from_millis(BIG);
    books.play(&[
        (0, hold("a", None, 1), "held 1 posted 0"),
        (0, extend("a", 1, (1, 1, 9)), "held 1 posted 1"),
        (1_800 * SECOND, extend("a", 1, (2, 2, 9)), "held 1 posted 2"),
        (1_800 * SECOND, extend("a", 1, (3, 3, 9)), "held 1 posted 3"),
        (1_800 * SECOND, extend("a", 1, (5, 5, 9)), "held 1 posted 5"),
    ]);
    assert_eq!(books.journal, ["Credit 100", "Capture 3"]);
    books.play(&[(0, end_used("a", 6), "done")]);
    assert_eq!(books.journal, ["Credit 100", "Capture 3", "Capture 3"]);
}

#[test]
fn streams_at_once_are_limited_and_those_being_opened_count() {
    let mut books = Books::with_units(100);
    for name in ["a", "b", "c", "d", "e"] {
        books.play(&[(0, hold(name, None, 1), "held 1 posted 0")]);
    }
    books.play(&[
        (0, hold("f", None, 1), "too many"),
        // The same stream again is no other stream.
        (0, hold("e", None, 1), "held 2 posted 0"),
        (0, void("a", 1), "done"),
        (0, hold("f", None, 1), "held 1 posted 0"),
        (0, hold("g", None, 1), "too many"),
        (0, end("f", 1), "done"),
        (0, hold("g", None, 1), "held 1 posted 0"),
        // Those that were never posted lapse.
        (11 * SECOND, hold("h", None, 1), "held 1 posted 0"),
    ]);
}

#[test]
fn a_session_of_metered_units_is_spent_when_nothing_is_left() {
    let mut books = Books::with_units(2);
    books.play(&[(0, hold("a", None, 1), "held 1 posted 0"), (0, post("a", 1, 1), "done")]);
    let session = |books: &Books| Session { unit: Unit::Message, ..books.session.clone().unwrap() };
    assert!(!session(&books).spent());
    books.play(&[(0, extend("a", 1, (1, 2, 2)), "held 1 posted 1")]);
    assert!(!session(&books).spent(), "it is held");
    books.play(&[(0, extend("a", 1, (2, 2, 2)), "held 1 posted 2")]);
    assert!(session(&books).spent());
    assert!(!books.session.as_ref().unwrap().spent(), "a stream unit is served whole");
}

#[test]
fn there_must_be_a_session_to_top_up() {
    let top_up = Intent { top_up: true, ..intent(5) };
    Books::default().play(&[(0, record(top_up.clone()), "conflict")]);
    let mut books = Books::with_units(5);
    books.payment = None;
    books.play(&[
        (0, record(top_up.clone()), "done"),
        (0, credit(), "done"),
        (0, record(top_up), "replayed"),
    ]);
    assert_eq!(books.sums(), (0, 0, 10));
    // The same payment cannot open a session of its own.
    books.play(&[(0, record(intent(5)), "foreign")]);
}

/// Otherwise an agent could have each lease for nothing by opening the same stream again before it was told.
#[test]
fn what_a_replaced_opening_held_counts_as_used() {
    let mut books = Books::with_units(100);
    books.session.as_mut().unwrap().unit = Unit::Message;
    books.play(&[
        (0, hold("a", None, 1), "held 1 posted 0"),
        (0, extend("a", 1, (0, 0, 20)), "held 1 posted 0"),
        (SECOND, hold("a", None, 1), "held 2 posted 20"),
        (0, extend("a", 1, (20, 20, 20)), "fenced"),
        (0, extend("a", 2, (25, 25, 25)), "held 2 posted 25"),
        (0, Command::End { session: session_id(), stream: stream_id("a"), fence: 2, used: 25 }, "done"),
    ]);
    assert_eq!(books.sums(), (25, 0, 75));
    assert_eq!(books.journal, ["Credit 100", "Capture 25"]);
}
