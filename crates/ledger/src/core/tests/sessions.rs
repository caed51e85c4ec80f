use super::*;

#[test]
fn revocation_stops_holds_and_posts_and_is_learnt_of() {
    let mut books = Books::with_units(10);
    books.play(&[
        (0, hold("a", None, 1), "held 1 posted 0"),
        (0, hold("b", None, 1), "held 1 posted 0"),
        (0, post("b", 1, 1), "done"),
        (0, revoke(), "done"),
        (0, revoke(), "replayed"),
        (0, hold("c", None, 1), "revoked"),
        (0, hold("b", None, 1), "revoked"),
        (0, hold("a", Some(1), 2), "revoked"),
        (0, post("a", 1, 1), "revoked"),
        (0, post("b", 1, 1), "revoked"),
        (0, void("a", 1), "done"),
        (0, end("b", 1), "done"),
    ]);
    assert_eq!(books.sums(), (1, 0, 9));
    assert_eq!(books.session.as_ref().unwrap().revision, 1);
    assert_eq!(books.journal, ["Credit 10", "Capture 1", "Revoke 0"]);
}

#[test]
fn revoked_comes_before_expired() {
    let mut books = Books::with_units(10);
    books.play(&[(0, revoke(), "done"), (BALANCE_TTL, hold("a", None, 1), "revoked")]);
}

#[test]
fn a_balance_expires_but_not_what_is_held() {
    let mut books = Books::with_units(10);
    books.play(&[
        (BALANCE_TTL - SECOND, hold("a", None, 2), "held 1 posted 0"),
        (0, expire(), "conflict"),
        (999, expire(), "conflict"),
        (1, hold("b", None, 1), "expired"),
        (0, hold("a", Some(1), 2), "expired"),
        (0, expire(), "done"),
        (0, expire(), "replayed"),
        (0, post("a", 1, 1), "done"),
    ]);
    assert_eq!(books.sums(), (1, 1, 0));
    // The hold lapses; what it returns falls due as well.
    books.play(&[(10 * SECOND, expire(), "done"), (0, expire(), "replayed")]);
    assert_eq!(books.sums(), (1, 0, 0));
    assert_eq!(books.session.as_ref().unwrap().expired, 9);
    assert_eq!(books.journal, ["Credit 10", "Expire 8", "Capture 1", "Expire 1"]);
}

#[test]
fn a_session_that_does_not_exist_knows_nothing() {
    let mut books = Books::default();
    books.play(&[
        (0, revoke(), "unknown"),
        (0, expire(), "unknown"),
        (0, hold("a", None, 1), "unknown"),
        (0, hold("a", Some(1), 1), "unknown"),
        (0, post("a", 1, 1), "unknown"),
        (0, void("a", 1), "unknown"),
        (0, reverse("a", 1), "unknown"),
        (0, end("a", 1), "unknown"),
    ]);
    assert_eq!((books.session, books.streams.len()), (None, 0));
}

#[test]
fn a_broken_balance_is_named() {
    let good = Books::with_units(10).session.unwrap();
    let broken: [fn(&mut Session); 5] = [
        |session| session.captured = 11,
        |session| session.captured = u64::MAX,
        |session| session.bought = core::UNITS_MAX + 1,
        |session| {
            session.expired = u64::MAX;
            session.refunded = u64::MAX;
        },
        |session| {
            let hold = crate::model::Hold { units: 0, until: Timestamp::default() };
            session.holds.insert(stream_id("a"), hold);
        },
    ];
    assert_eq!(check_invariants(&good), Ok(()));
    for breaks in broken {
        let mut session = good.clone();
        breaks(&mut session);
        assert!(check_invariants(&session).is_err(), "{session:?}");
    }
}
