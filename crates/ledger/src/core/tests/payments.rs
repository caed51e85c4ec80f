use super::*;
use crate::model::Fate;
use crate::outcome::View;

#[test]
fn a_payment_goes_from_record_to_credit_once() {
    let mut books = Books::default();
    books.play(&[
        (0, attach("0x01"), "unknown"),
        (0, credit(), "unknown"),
        (0, abandon(), "unknown"),
        (0, record(intent(10)), "done"),
        (5, record(intent(10)), "replayed"),
        (0, attach("0x01"), "done"),
        (0, attach("0x01"), "replayed"),
        (0, attach("0x02"), "done"),
        (0, credit(), "done"),
        (0, credit(), "replayed"),
        (0, attach("0x03"), "replayed"),
        (0, abandon(), "replayed"),
        (0, record(intent(10)), "replayed"),
    ]);
    assert_eq!(books.sums(), (0, 0, 10));
    assert_eq!(books.journal, ["Credit 10"]);
    let session = books.session.unwrap();
    assert_eq!((session.deposited, session.gas), (usdc(100_000), usdc(700)));
    assert_eq!((session.opened.millis(), session.balance_until.millis()), (5, 5 + BALANCE_TTL));
    assert_eq!(books.payment.unwrap().attempts.len(), 2);
}

#[test]
fn money_that_arrives_after_all_is_credited() {
    let mut books = Books::default();
    books.play(&[
        (0, record(intent(10)), "done"),
        (0, abandon(), "done"),
        (0, abandon(), "replayed"),
        (0, attach("0x01"), "replayed"),
    ]);
    assert_eq!(books.payment.as_ref().unwrap().fate, Fate::Abandoned("expired".into()));
    books.play(&[(0, credit(), "done"), (0, abandon(), "replayed")]);
    assert_eq!(books.payment.as_ref().unwrap().fate, Fate::Credited(landing()));
    assert_eq!(books.sums(), (0, 0, 10));
}

#[test]
fn a_recorded_payment_is_for_what_it_was_recorded_for() {
    let mut books = Books::default();
    books.play(&[(0, record(intent(10)), "done")]);
    let other_session = "11111111-9dc0-4acd-b245-5ffdce74fad2".parse().unwrap();
    let same: [fn(&mut Intent); 6] = [
        |intent| intent.tariff = 2,
        |intent| intent.quote = None,
        |intent| intent.claim = Some([1; 32]),
        |intent| intent.payload = "{ }".into(),
        |intent| intent.pay_to = "0xdD".into(),
        |intent| intent.valid_before = 9,
    ];
    for change in same {
        let mut again = Intent { session: SessionId::clone(&other_session), ..intent(10) };
        change(&mut again);
        books.play(&[(0, record(again), "replayed")]);
    }
    let others: [fn(&mut Intent); 8] = [
        |intent| intent.feed = "news".parse().unwrap(),
        |intent| intent.unit = Unit::Second,
        |intent| intent.units = 9,
        |intent| intent.amount = usdc(1),
        |intent| intent.pay_to = "0xEE".into(),
        |intent| intent.network = Network::BASE,
        |intent| intent.asset = "0xAB".into(),
        |intent| intent.plain = true,
    ];
    for change in others {
        let mut other = intent(10);
        change(&mut other);
        books.play(&[(0, record(other), "foreign")]);
    }
    assert_eq!(books.payment.unwrap().intent, intent(10));
}

#[test]
fn solana_addresses_are_case_sensitive() {
    let network = Network::Solana(tollwire_x402::SolanaCluster::Devnet);
    let recorded = Intent { network, ..intent(1) };
    let mut books = Books::default();
    books.play(&[
        (0, record(recorded.clone()), "done"),
        (0, record(Intent { pay_to: "0xdD".into(), ..recorded }), "foreign"),
    ]);
}

#[test]
fn a_replay_shows_the_stored_payment_and_its_session() {
    let mut books = Books::with_units(10);
    let Outcome::Replayed(View { payment, session, .. }) =
        books.apply(&record(Intent { payload: "other".into(), ..intent(10) }))
    else {
        panic!("not replayed");
    };
    assert_eq!(payment.unwrap().intent, intent(10));
    assert_eq!(session.unwrap().bought, 10);
}

#[test]
fn a_command_for_another_session_than_the_recorded_one_finds_nothing() {
    let mut books = Books::default();
    let session: SessionId = "11111111-9dc0-4acd-b245-5ffdce74fad2".parse().unwrap();
    books.play(&[
        (0, record(intent(10)), "done"),
        (
            0,
            Command::Credit { payment: payment_id(), session: session.clone(), landing: landing() },
            "unknown",
        ),
        (
            0,
            Command::Abandon { payment: payment_id(), session: session.clone(), reason: String::new() },
            "unknown",
        ),
        (0, Command::Attach { payment: payment_id(), session, attempt: attempt("0x01") }, "unknown"),
    ]);
    assert_eq!(books.session, None);
}

#[test]
fn a_plain_payment_is_credited_without_a_session() {
    let plain = Intent { plain: true, ..intent(1) };
    let mut books = Books::default();
    books.play(&[
        (0, record(plain.clone()), "done"),
        (0, attach("0x01"), "done"),
        (0, credit(), "done"),
        (0, credit(), "replayed"),
        (0, record(plain), "replayed"),
    ]);
    assert_eq!((books.session, books.journal), (None, vec![]));
}

#[test]
fn a_second_payment_tops_the_session_up() {
    let mut books = Books::with_units(10);
    books.payment = None;
    books.play(&[
        (5_000, record(Intent { units: 5, balance_ttl_ms: 1, ..intent(5) }), "done"),
        (0, credit(), "done"),
    ]);
    assert_eq!(books.sums(), (0, 0, 15));
    let session = books.session.as_ref().unwrap();
    assert_eq!(session.deposited, usdc(150_000));
    assert_eq!(session.balance_until.millis(), BALANCE_TTL, "a top-up never shortens a balance's life");
    assert_eq!(session.opened.millis(), 0);
}

#[test]
fn a_session_sells_one_thing() {
    let mut books = Books::with_units(10);
    let stored = books.payment.take();
    books.play(&[
        (0, record(Intent { unit: Unit::Second, ..intent(5) }), "conflict"),
        (0, record(Intent { feed: "news".parse().unwrap(), ..intent(5) }), "conflict"),
    ]);
    assert_eq!(books.payment, None);
    // Recorded before the session was: the credit is refused, and nothing changes.
    books.payment = stored.map(|mut payment| {
        payment.intent.unit = Unit::Second;
        payment.fate = Fate::Pending;
        payment
    });
    books.play(&[(0, credit(), "conflict")]);
    assert_eq!(books.payment.as_ref().unwrap().fate, Fate::Pending);
    assert_eq!(books.sums(), (0, 0, 10));
}

#[test]
fn what_cannot_be_counted_is_refused() {
    let mut books = Books::default();
    books.play(&[
        (0, record(intent(0)), "conflict"),
        (0, record(intent(core::UNITS_MAX + 1)), "conflict"),
        (0, record(intent(u64::MAX)), "conflict"),
        (0, record(intent(core::UNITS_MAX)), "done"),
        (0, credit(), "done"),
    ]);
    books.payment = None;
    books.play(&[(0, record(intent(1)), "done"), (0, credit(), "conflict")]);
    assert_eq!(books.sums(), (0, 0, core::UNITS_MAX));

    let mut books = Books::default();
    books.play(&[(0, record(Intent { amount: Usdc::MAX, ..intent(1) }), "done"), (0, credit(), "done")]);
    books.payment = None;
    books.play(&[(0, record(intent(1)), "done"), (0, credit(), "conflict")]);
    assert_eq!(books.sums(), (0, 0, 1));
}

#[test]
fn transactions_of_one_payment_are_bounded() {
    let mut books = Books::default();
    books.play(&[(0, record(intent(1)), "done")]);
    for n in 0..Payment::ATTEMPTS_MAX {
        books.play(&[(0, attach(&format!("0x{n}")), "done")]);
    }
    books.play(&[(0, attach("0x0"), "replayed"), (0, attach("0xff"), "conflict"), (0, credit(), "done")]);
}
