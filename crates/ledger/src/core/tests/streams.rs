use super::*;
use crate::core::{REOPEN_WINDOW, REVERSE_WINDOW};

#[test]
fn hold_and_post_take_one_unit_once() {
    let mut books = Books::with_units(2);
    books.play(&[(0, hold("a", None, 1), "held 1 posted 0")]);
    assert_eq!(books.sums(), (0, 1, 1));
    books.play(&[(0, post("a", 1, 1), "done"), (0, post("a", 1, 1), "replayed")]);
    assert_eq!(books.sums(), (1, 0, 1));
    assert_eq!(books.live("a"), Some(100 * SECOND));
    books.play(&[(0, end("a", 1), "done"), (0, end("a", 1), "replayed")]);
    assert_eq!(books.sums(), (1, 0, 1));
    assert_eq!(books.live("a"), None);
    assert_eq!(books.journal, ["Credit 2", "Capture 1"]);
}

#[test]
fn no_unit_left_says_whether_others_may_come_back() {
    let mut books = Books::with_units(2);
    books.play(&[
        (0, hold("a", None, 1), "held 1 posted 0"),
        (0, hold("b", None, 2), "exhausted, held elsewhere"),
        (0, post("a", 1, 1), "done"),
        (0, hold("b", None, 2), "exhausted"),
        (0, hold("b", None, u64::MAX), "exhausted"),
        (0, hold("b", None, 1), "held 1 posted 0"),
        (0, hold("b", Some(1), 2), "exhausted"),
        (0, hold("c", None, 1), "exhausted, held elsewhere"),
        (0, post("b", 1, 1), "done"),
        (0, hold("c", None, 1), "exhausted"),
        (0, post("b", 1, u64::MAX), "lapsed"),
    ]);
    assert_eq!(books.sums(), (2, 0, 0));
    assert_eq!(books.streams.len(), 2, "a refused open leaves no stream behind");
}

#[test]
fn a_hold_returns_when_its_lease_is_over() {
    let mut books = Books::with_units(1);
    books.play(&[
        (0, hold("a", None, 1), "held 1 posted 0"),
        (9_999, hold("b", None, 1), "exhausted, held elsewhere"),
        (1, post("a", 1, 1), "lapsed"),
        (0, hold("b", None, 1), "held 1 posted 0"),
        (0, post("a", 1, 1), "lapsed"),
    ]);
    assert_eq!(books.sums(), (0, 1, 0));
    // A refusal returns lapsed holds too.
    books.play(&[(10_000, post("c", 1, 1), "unknown")]);
    assert_eq!(books.sums(), (0, 0, 1));
}

#[test]
fn a_hold_is_prolonged_and_raised_by_its_own_opening_only() {
    let mut books = Books::with_units(5);
    books.play(&[
        (0, hold("a", Some(1), 1), "unknown"),
        (0, hold("a", None, 1), "held 1 posted 0"),
        (9 * SECOND, hold("a", Some(1), 1), "held 1 posted 0"),
        (9 * SECOND, hold("a", Some(1), 3), "held 1 posted 0"),
        (0, hold("a", Some(2), 4), "fenced"),
        (0, hold("a", Some(0), 4), "fenced"),
        (0, hold("a", Some(1), 0), "conflict"),
    ]);
    assert_eq!(books.sums(), (0, 3, 2));
    books.play(&[(0, hold("a", Some(1), 1), "held 1 posted 0")]);
    assert_eq!(books.sums(), (0, 3, 2), "a hold never shrinks");
    books.play(&[
        (0, post("a", 1, 2), "done"),
        (0, post("a", 1, 1), "replayed"),
        (0, hold("a", Some(1), 4), "held 1 posted 2"),
        (0, post("a", 1, 5), "lapsed"),
        (0, post("a", 1, 4), "done"),
    ]);
    assert_eq!(books.sums(), (4, 0, 1));
    // Lapsed, but units are there: the same opening may take them again.
    books.play(&[
        (0, hold("a", Some(1), 5), "held 1 posted 4"),
        (10 * SECOND, hold("a", Some(1), 5), "held 1 posted 4"),
    ]);
    assert_eq!(books.sums(), (4, 1, 0));
}

#[test]
fn an_open_of_nothing_is_refused() {
    let mut books = Books::with_units(1);
    books.play(&[(0, hold("a", None, 0), "conflict")]);
    assert_eq!(books.streams.len(), 0);
}

#[test]
fn the_same_stream_opens_again_free_and_fences_the_older_connection() {
    let mut books = Books::with_units(2);
    books.play(&[
        (0, hold("a", None, 1), "held 1 posted 0"),
        (1, hold("a", None, 1), "held 2 posted 0"),
        (0, post("a", 1, 1), "fenced"),
        (0, void("a", 1), "fenced"),
        (0, post("a", 2, 1), "done"),
        (1, hold("a", None, 1), "held 3 posted 1"),
        (0, post("a", 3, 1), "replayed"),
        (0, end("a", 2), "fenced"),
        (0, reverse("a", 2), "fenced"),
        (0, end("a", 3), "done"),
        (29_998, hold("a", None, 1), "held 4 posted 1"),
        (1, hold("a", None, 1), "conflict"),
    ]);
    assert_eq!(books.now, u64::try_from(REOPEN_WINDOW.as_millis()).unwrap() + 1);
    assert_eq!(books.sums(), (1, 0, 1));
    assert_eq!(books.session.as_ref().unwrap().revision, 3, "each replaced opening is learnt of");
    assert_eq!(books.journal, ["Credit 2", "Capture 1"]);
}

#[test]
fn a_reopened_stream_needs_no_unit_even_when_none_is_left() {
    let mut books = Books::with_units(1);
    books.play(&[
        (0, hold("a", None, 1), "held 1 posted 0"),
        (0, hold("a", None, 1), "held 2 posted 0"),
        (0, post("a", 2, 1), "done"),
        (0, hold("a", None, 1), "held 3 posted 1"),
        (0, hold("a", None, 2), "exhausted"),
        (0, post("a", 3, 1), "replayed"),
    ]);
    assert_eq!(books.streams.get(&stream_id("a")).unwrap().fence, 3, "a refused open fences nobody");
}

#[test]
fn a_hold_that_outlives_the_window_is_in_use() {
    let mut books = Books::with_units(2);
    books.play(&[(0, hold("a", None, 1), "held 1 posted 0")]);
    for _ in 0..4 {
        books.play(&[(9 * SECOND, hold("a", Some(1), 1), "held 1 posted 0")]);
    }
    books.play(&[(0, hold("a", None, 1), "conflict"), (0, post("a", 1, 1), "done")]);
}

#[test]
fn a_voided_or_lapsed_stream_begins_afresh() {
    let mut books = Books::with_units(1);
    books.play(&[
        (0, hold("a", None, 1), "held 1 posted 0"),
        (0, void("a", 1), "done"),
        (0, void("a", 1), "replayed"),
        (60 * SECOND, hold("a", None, 1), "held 2 posted 0"),
        (0, void("a", 1), "fenced"),
        (60 * SECOND, hold("a", None, 1), "held 3 posted 0"),
        (0, post("a", 2, 1), "fenced"),
        (0, post("a", 3, 1), "done"),
        (0, void("a", 3), "replayed"),
    ]);
    assert_eq!(books.session.as_ref().unwrap().revision, 0, "nobody was replaced");
    assert_eq!(books.sums(), (1, 0, 0));
}

#[test]
fn void_of_a_posted_stream_returns_what_is_still_held() {
    let mut books = Books::with_units(3);
    books.play(&[
        (0, hold("a", None, 3), "held 1 posted 0"),
        (0, post("a", 1, 1), "done"),
        (0, void("a", 1), "done"),
    ]);
    assert_eq!(books.sums(), (1, 0, 2));
}

#[test]
fn a_stream_whose_upstream_ended_at_once_is_given_back_once() {
    let mut books = Books::with_units(1);
    books.play(&[
        (0, hold("a", None, 1), "held 1 posted 0"),
        (0, reverse("a", 1), "conflict"),
        (0, post("a", 1, 1), "done"),
        (5 * SECOND, reverse("a", 1), "done"),
        (0, reverse("a", 1), "replayed"),
        (0, post("a", 1, 1), "lapsed"),
        (0, hold("a", Some(1), 1), "conflict"),
        (0, end("a", 1), "replayed"),
    ]);
    assert_eq!(books.sums(), (0, 0, 1));
    assert_eq!(books.live("a"), None);
    books.play(&[
        (0, hold("a", None, 1), "held 2 posted 0"),
        (0, reverse("a", 1), "fenced"),
        (0, post("a", 2, 1), "done"),
        (0, reverse("a", 2), "done"),
    ]);
    assert_eq!(books.sums(), (0, 0, 1));
    assert_eq!(books.journal, ["Credit 1", "Capture 1", "Reverse 1", "Capture 1", "Reverse 1"]);
}

#[test]
fn too_late_or_too_much_is_not_given_back() {
    let window = u64::try_from(REVERSE_WINDOW.as_millis()).unwrap();
    let mut books = Books::with_units(5);
    books.play(&[
        (0, hold("a", None, 1), "held 1 posted 0"),
        (0, post("a", 1, 1), "done"),
        (window, reverse("a", 1), "done"),
        (0, hold("b", None, 2), "held 1 posted 0"),
        (0, post("b", 1, 1), "done"),
        (0, post("b", 1, 2), "done"),
        (0, reverse("b", 1), "conflict"),
        (0, hold("c", None, 1), "held 1 posted 0"),
        (0, post("c", 1, 1), "done"),
        (window + 1, reverse("c", 1), "conflict"),
    ]);
    assert_eq!(books.sums(), (3, 0, 2));
}

#[test]
fn what_an_earlier_connection_was_served_stays_paid() {
    let mut books = Books::with_units(1);
    books.play(&[
        (0, hold("a", None, 1), "held 1 posted 0"),
        (0, post("a", 1, 1), "done"),
        (20 * SECOND, hold("a", None, 1), "held 2 posted 1"),
        (0, post("a", 2, 1), "replayed"),
        (0, reverse("a", 2), "conflict"),
    ]);
    assert_eq!(books.sums(), (1, 0, 0));
}

#[test]
fn a_reopened_stream_is_told_how_long_its_units_have_run() {
    let mut books = Books::with_units(3);
    books.play(&[(0, hold("a", None, 1), "held 1 posted 0"), (3 * SECOND, post("a", 1, 1), "done")]);
    let mut ran = |after: u64, command: Command| {
        books.now += after;
        let Outcome::Held { since_capture, .. } = books.apply(&command) else { panic!("{command:?}") };
        since_capture.as_secs()
    };
    assert_eq!(ran(5 * SECOND, hold("a", None, 1)), 5, "since the capture, not the hold");
    assert_eq!(ran(15 * SECOND, hold("a", None, 1)), 20, "since the first opening, not the last");
    assert_eq!(ran(100 * SECOND, hold("a", Some(3), 2)), 120);
    assert_eq!(ran(0, hold("b", None, 1)), 0);
}

#[test]
fn a_stream_is_live_until_it_ends_or_must_have_ended() {
    let mut books = Books::with_units(2);
    books.play(&[
        (0, hold("a", None, 1), "held 1 posted 0"),
        (0, post("a", 1, 1), "done"),
        (SECOND, hold("a", None, 2), "held 2 posted 1"),
        (0, post("a", 2, 1), "replayed"),
    ]);
    assert_eq!(books.live("a"), Some(101 * SECOND), "a re-opened stream lives anew");
    books.play(&[(0, post("a", 2, 2), "done"), (100 * SECOND, end("a", 2), "replayed")]);
}

#[test]
fn a_clock_that_steps_back_does_no_harm() {
    let mut books = Books::with_units(1);
    books.now = 50 * SECOND;
    books.play(&[(0, hold("a", None, 1), "held 1 posted 0"), (0, post("a", 1, 1), "done")]);
    books.now = 0;
    books.play(&[(0, reverse("a", 1), "done"), (0, hold("a", None, 1), "held 2 posted 0")]);
    assert_eq!(books.sums(), (0, 1, 0));
}

#[test]
fn the_end_of_time_is_not_passed() {
    let mut books = Books::with_units(1);
    books.now = core::MILLIS_MAX - 1;
    books.session.as_mut().unwrap().balance_until = Timestamp::from_millis(u64::MAX);
    let lease = Duration::MAX;
    let hold = Command::Hold {
        session: session_id(),
        stream: stream_id("a"),
        fence: None,
        to: 1,
        lease,
        streams_max: STREAMS_MAX,
    };
    books.play(&[(0, hold, "held 1 posted 0"), (0, post("a", 1, 1), "done")]);
    assert_eq!(books.live("a"), Some(core::MILLIS_MAX));
}
