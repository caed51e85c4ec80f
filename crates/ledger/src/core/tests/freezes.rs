use super::*;
use crate::model::{Fate, HandOver, Handed, RefundOrder};

fn freeze() -> Command {
    Command::Freeze { payment: payment_id(), session: session_id() }
}

fn thaw(block: u64) -> Command {
    let landing = Landing { block, ..landing() };
    Command::Thaw { payment: payment_id(), session: session_id(), landing }
}

#[test]
fn a_frozen_session_serves_nothing_and_goes_on_where_it_was() {
    let mut books = Books::with_units(10);
    books.play(&[
        (0, hold("a", None, 1), "held 1 posted 0"),
        (0, hold("b", None, 1), "held 1 posted 0"),
        (0, post("b", 1, 1), "done"),
        (0, freeze(), "done"),
        (0, freeze(), "replayed"),
        (0, hold("c", None, 1), "revoked"),
        (0, extend("b", 1, (1, 2, 3)), "revoked"),
        (0, post("a", 1, 1), "revoked"),
        (BALANCE_TTL + SECOND, expire(), "conflict"),
    ]);
    assert_eq!(books.sums(), (1, 0, 9), "nothing is lost by it, nothing falls to anybody");
    assert!(books.session.as_ref().unwrap().barred() && !books.session.as_ref().unwrap().revoked);
    books.play(&[(0, thaw(12), "done"), (0, thaw(12), "replayed"), (0, expire(), "done")]);
    assert_eq!(books.journal, ["Credit 10", "Capture 1", "Freeze 0", "Thaw 0", "Expire 9"]);
    assert_eq!(books.session.as_ref().unwrap().revision, 2, "each is learnt of");
    let Fate::Credited(landing) = &books.payment.as_ref().unwrap().fate else { panic!("not credited") };
    assert_eq!(landing.block, 12);
}

/// A refund of all 10 units.
fn refund() -> Command {
    let order = RefundOrder {
        number: 1,
        units: 10,
        bought: 10,
        captured: 0,
        value: usdc(100_000),
        gas: Usdc::ZERO,
        network: Network::BASE_SEPOLIA,
        asset: "0xAa".into(),
        from: "0xDd".into(),
        to: "0xBb".into(),
    };
    Command::Refund { session: session_id(), refund: Box::new(order) }
}

fn attach_refund() -> Command {
    Command::AttachRefund { session: session_id(), number: 1, made: 0, attempt: attempt("0xf") }
}

#[test]
fn nothing_is_paid_back_while_a_deposit_is_missed() {
    let close = Command::Close { session: session_id() };
    let mut books = Books::with_units(10);
    books.play(&[
        (0, freeze(), "done"),
        (0, close, "done"),
        (0, refund(), "conflict"),
        (0, expire(), "conflict"),
        (0, thaw(9), "done"),
        (0, refund(), "done"),
        // It was ordered before: no transaction may be made for it.
        (0, freeze(), "done"),
        (0, attach_refund(), "conflict"),
        (0, thaw(9), "done"),
        (0, attach_refund(), "done"),
        (0, freeze(), "done"),
        (0, attach_refund(), "replayed"),
    ]);
}

#[test]
fn nothing_is_handed_over_while_a_deposit_is_missed() {
    let mut books = Books::default();
    let intent = Intent { provider: Some("0xCc".into()), ..intent(10) };
    let to = Handed { units: 1, value: usdc(10_000), fee: usdc(100), gas: usdc(700), net: usdc(9_200) };
    let due = HandOver {
        from: 0,
        to,
        bought: 10,
        refunds: 0,
        network: Network::BASE_SEPOLIA,
        provider: "0xCc".into(),
    };
    let hand_over = Command::HandOver { session: session_id(), due: Box::new(due) };
    books.play(&[
        (0, record(intent), "done"),
        (0, credit(), "done"),
        (0, hold("a", None, 1), "held 1 posted 0"),
        (0, post("a", 1, 1), "done"),
        (0, freeze(), "done"),
        (0, hand_over.clone(), "conflict"),
        (0, thaw(12), "done"),
        (0, hand_over.clone(), "done"),
        (0, freeze(), "done"),
        (0, hand_over, "replayed"),
    ]);
    assert_eq!(books.session.as_ref().unwrap().last_block, 12, "final later than it was");
}

#[test]
fn what_was_used_meanwhile_is_captured_and_what_is_held_returns() {
    let mut books = Books::default();
    books.play(&[
        (0, record(Intent { unit: Unit::Message, ..intent(10) }), "done"),
        (0, credit(), "done"),
        (0, hold("a", None, 1), "held 1 posted 0"),
        (0, extend("a", 1, (1, 2, 3)), "held 1 posted 1"),
        (0, freeze(), "done"),
        (0, extend("a", 1, (2, 3, 4)), "revoked"),
        (0, end("a", 1), "done"),
    ]);
    assert_eq!(books.sums(), (2, 0, 8));
}

#[test]
fn a_deposit_that_moved_without_having_been_missed_freezes_nothing() {
    let mut books = Books::with_units(10);
    books.play(&[
        (0, thaw(9), "replayed"),
        (0, thaw(11), "done"),
        (0, hold("a", None, 1), "held 1 posted 0"),
    ]);
    assert_eq!(books.session.as_ref().unwrap().revision, 0);
}

#[test]
fn revoked_while_frozen_stays_revoked() {
    let mut books = Books::with_units(10);
    books.play(&[
        (0, freeze(), "done"),
        (0, revoke(), "done"),
        (0, thaw(9), "done"),
        (0, hold("a", None, 1), "revoked"),
    ]);
}

#[test]
fn only_what_was_credited_can_be_missed() {
    let mut books = Books::default();
    books.play(&[
        (0, freeze(), "unknown"),
        (0, thaw(9), "unknown"),
        (0, record(intent(1)), "done"),
        (0, freeze(), "replayed"),
        (0, thaw(9), "conflict"),
    ]);
}

#[test]
fn two_deposits_that_are_missed_are_both_waited_for() {
    let mut books = Books::with_units(10);
    let other: PaymentId = "eip155:84532/0xaa/0xbb/0xdd".parse().unwrap();
    let first = books.payment.take();
    let of_other = |command: &dyn Fn(PaymentId) -> Command| command(other.clone());
    books.play(&[
        (0, of_other(&|payment| Command::Record { payment, intent: Box::new(intent(5)) }), "done"),
        (
            0,
            of_other(&|payment| Command::Credit { payment, session: session_id(), landing: landing() }),
            "done",
        ),
        (0, of_other(&|payment| Command::Freeze { payment, session: session_id() }), "done"),
    ]);
    let second = std::mem::replace(&mut books.payment, first);
    books.play(&[(0, freeze(), "done"), (0, thaw(9), "done"), (0, hold("a", None, 1), "revoked")]);
    books.payment = second;
    books.play(&[
        (
            0,
            of_other(&|payment| Command::Thaw { payment, session: session_id(), landing: landing() }),
            "done",
        ),
        (0, hold("a", None, 1), "held 1 posted 0"),
    ]);
}
