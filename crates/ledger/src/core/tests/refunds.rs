#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a failed expectation ends the test"
)]

use super::*;
use crate::model::{RefundFate, RefundOrder};

fn close() -> Command {
    Command::Close { session: session_id() }
}

/// An order for so many units of ten that were paid with 100,000, of which 3 may be captured.
fn order(number: u32, units: u64) -> RefundOrder {
    RefundOrder {
        number,
        units,
        bought: 10,
        captured: 10 - units,
        value: usdc(units * 10_000),
        gas: usdc(7_000),
        network: Network::BASE_SEPOLIA,
        asset: "0xAa".into(),
        from: "0xDd".into(),
        to: "0xBb".into(),
    }
}

fn refund(order: RefundOrder) -> Command {
    Command::Refund { session: session_id(), refund: Box::new(order) }
}

fn attach_refund(number: u32, made: u32, tx: &str) -> Command {
    Command::AttachRefund { session: session_id(), number, made, attempt: attempt(tx) }
}

fn settle(number: u32) -> Command {
    Command::SettleRefund { session: session_id(), number, landing: landing() }
}

#[test]
fn a_closed_session_serves_nothing_more_and_is_learnt_of() {
    let mut books = Books::with_units(10);
    books.play(&[
        (0, hold("a", None, 1), "held 1 posted 0"),
        (0, hold("b", None, 1), "held 1 posted 0"),
        (0, post("b", 1, 1), "done"),
        (0, close(), "done"),
        (0, close(), "replayed"),
        (0, hold("c", None, 1), "closed"),
        (0, hold("a", Some(1), 2), "closed"),
        (0, post("a", 1, 1), "closed"),
        (0, extend("b", 1, (1, 2, 3)), "closed"),
        (0, record(Intent { top_up: true, ..intent(5) }), "foreign"),
        (0, void("a", 1), "done"),
        (0, end("b", 1), "done"),
        (0, revoke(), "done"),
        (0, hold("c", None, 1), "revoked"),
    ]);
    assert_eq!(books.sums(), (1, 0, 9));
    assert_eq!(books.session.as_ref().unwrap().revision, 2);
    assert_eq!(books.journal, ["Credit 10", "Capture 1", "Close 0", "Revoke 0"]);
}

#[test]
fn a_closed_session_takes_no_top_up_but_a_payment_under_way_is_credited() {
    let mut books = Books::with_units(10);
    books.payment = None;
    books.play(&[
        (0, record(Intent { top_up: true, ..intent(5) }), "done"),
        (0, close(), "done"),
        (0, credit(), "done"),
    ]);
    assert_eq!(books.sums(), (0, 0, 15));
    books.payment = None;
    books.play(&[(0, record(Intent { top_up: true, ..intent(5) }), "closed")]);
}

#[test]
fn what_remains_is_refunded_once() {
    let mut books = Books::with_units(10);
    books.play(&[
        (0, hold("a", None, 3), "held 1 posted 0"),
        (0, post("a", 1, 3), "done"),
        (0, refund(order(1, 7)), "conflict"),
        (0, close(), "done"),
        (0, refund(order(2, 7)), "conflict"),
        (0, refund(order(1, 6)), "conflict"),
        (0, refund(RefundOrder { to: "0xEe".into(), ..order(1, 7) }), "conflict"),
        (0, refund(RefundOrder { gas: usdc(70_001), ..order(1, 7) }), "conflict"),
        (0, refund(RefundOrder { value: usdc(100_001), ..order(1, 7) }), "conflict"),
        (0, refund(order(1, 7)), "done"),
        (0, refund(order(1, 7)), "replayed"),
        (0, refund(order(1, 6)), "replayed"),
        (0, refund(order(2, 7)), "conflict"),
        (0, expire(), "replayed"),
    ]);
    let session = books.session.as_ref().unwrap();
    assert_eq!((session.captured, session.refunded, session.remaining()), (3, 7, 0));
    assert_eq!((session.returned, session.withheld), (usdc(70_000), usdc(7_000)));
    assert_eq!(books.refunds[&1].order.amount(), usdc(63_000));
    assert_eq!(books.journal, ["Credit 10", "Capture 3", "Close 0", "Refund 7"]);
}

#[test]
fn held_units_are_waited_for_and_a_lapsed_hold_is_none() {
    let mut books = Books::with_units(10);
    books.play(&[
        (0, hold("a", None, 1), "held 1 posted 0"),
        (0, close(), "done"),
        (0, refund(RefundOrder { captured: 0, ..order(1, 9) }), "conflict"),
        (10 * SECOND, refund(order(1, 10)), "done"),
        (0, post("a", 1, 1), "closed"),
    ]);
    assert_eq!(books.sums(), (0, 0, 0));
}

#[test]
fn revoked_sessions_and_ended_balances_are_refunded_too() {
    let mut books = Books::with_units(10);
    books.play(&[(0, revoke(), "done"), (0, refund(order(1, 10)), "done")]);
    let mut books = Books::with_units(10);
    books.play(&[(BALANCE_TTL - 1, refund(order(1, 10)), "conflict"), (1, refund(order(1, 10)), "done")]);
}

#[test]
fn a_transaction_is_attached_only_in_knowledge_of_all_others() {
    let mut books = Books::with_units(10);
    books.play(&[
        (0, attach_refund(1, 0, "0x01"), "unknown"),
        (0, settle(1), "unknown"),
        (0, close(), "done"),
        (0, refund(order(1, 10)), "done"),
        (0, attach_refund(1, 0, "0x01"), "done"),
        (0, attach_refund(1, 0, "0x01"), "replayed"),
        (0, attach_refund(1, 0, "0x02"), "conflict"),
        (0, attach_refund(1, 2, "0x02"), "conflict"),
        (0, attach_refund(1, 1, "0x02"), "done"),
        (0, attach_refund(2, 0, "0x03"), "unknown"),
        (0, settle(1), "done"),
        (0, settle(1), "replayed"),
        (0, attach_refund(1, 2, "0x03"), "replayed"),
    ]);
    assert_eq!(books.refunds[&1].attempts.len(), 2);
    assert_eq!(books.refunds[&1].fate, RefundFate::Paid(landing()));
}

#[test]
fn gas_that_eats_it_all_leaves_nothing_to_send() {
    let mut books = Books::with_units(10);
    let order = RefundOrder { gas: usdc(100_000), ..order(1, 10) };
    books.play(&[(0, close(), "done"), (0, refund(order), "done"), (0, settle(1), "replayed")]);
    assert_eq!(books.refunds[&1].fate, RefundFate::Nothing);
}

#[test]
fn a_payment_that_arrives_after_the_refund_is_refunded_by_another() {
    let mut books = Books::with_units(10);
    books.play(&[(0, close(), "done"), (0, refund(order(1, 10)), "done")]);
    books.payment = None;
    let second = RefundOrder { bought: 15, captured: 0, value: usdc(50_000), ..order(2, 5) };
    books.play(&[
        (0, record(intent(5)), "done"),
        (0, credit(), "done"),
        (0, refund(second), "done"),
        (0, settle(1), "done"),
    ]);
    assert_eq!(books.refunds[&2].fate, RefundFate::Pending);
    let session = books.session.as_ref().unwrap();
    assert_eq!((session.refunds, session.refunded, session.returned), (2, 15, usdc(150_000)));
}

#[test]
fn a_closed_balance_falls_due_at_once() {
    let mut books = Books::with_units(10);
    books.play(&[(0, expire(), "conflict"), (0, close(), "done"), (0, expire(), "done")]);
    assert_eq!(books.session.as_ref().unwrap().expired, 10);
}
