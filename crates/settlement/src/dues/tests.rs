use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use tollwire_ledger::Timestamp;
use tollwire_x402::{Network, Unit};

fn session(deposited: u64, gas: u64, bought: u64, captured: u64) -> Session {
    Session {
        feed: "ticks".parse().unwrap(),
        unit: Unit::Stream,
        payer: "0x00".into(),
        network: Network::BASE,
        chain: "base".into(),
        deposited: Usdc::from_atomic(deposited).unwrap(),
        gas: Usdc::from_atomic(gas).unwrap(),
        last_block: 1,
        provider: Some("0xCc".into()),
        handed: Handed::default(),
        bought,
        captured,
        refunded: 0,
        expired: 0,
        refunds: 0,
        returned: Usdc::ZERO,
        withheld: Usdc::ZERO,
        holds: BTreeMap::default(),
        live: BTreeMap::default(),
        opened: Timestamp::default(),
        balance_until: Timestamp::default(),
        revoked: false,
        closed: false,
        frozen: 0,
        recalled: None,
        jkt: None,
        revision: 0,
    }
}

#[test]
fn a_session_used_whole_gives_table_5_of_the_paper() {
    let used = statement(&session(10_000_000, 7_000, 10, 10), 100, Unspent::Refund).unwrap();
    assert_eq!(used.provider_net.atomic(), 9_893_000);
    assert_eq!((used.fee.atomic(), used.gas.atomic(), used.unspent.atomic()), (100_000, 7_000, 0));
}

#[test]
fn a_session_that_expires_to_the_provider_gives_the_same() {
    let mut expired = session(10_000_000, 7_000, 10, 4);
    expired.expired = 6;
    let whole = statement(&expired, 100, Unspent::Provider).unwrap();
    assert_eq!((whole.provider_net.atomic(), whole.unspent.atomic()), (9_893_000, 0));
    let back = statement(&expired, 100, Unspent::Refund).unwrap();
    assert_eq!((back.provider_net.atomic(), back.refunded.atomic()), (3_953_000, 6_000_000));
}

#[test]
fn gas_is_charged_once_and_never_beyond_what_accrued() {
    let unused = statement(&session(10_000, 7_000, 1, 0), 100, Unspent::Refund).unwrap();
    assert_eq!((unused.gas.atomic(), unused.gas_uncovered.atomic()), (0, 7_000));
    let tiny = statement(&session(1_000, 7_000, 1, 1), 100, Unspent::Refund).unwrap();
    assert_eq!((tiny.provider_net.atomic(), tiny.gas.atomic(), tiny.fee.atomic()), (0, 990, 10));
}

#[test]
fn impossible_numbers_have_no_statement() {
    assert_eq!(statement(&session(10, 0, 1, 2), 100, Unspent::Refund), None);
    assert_eq!(statement(&session(10, 0, 1, 1), 10_001, Unspent::Refund), None);
}

/// Takes what remains out of the session, as the ledger does.
fn refund(session: &mut Session, value: Usdc, gas: u64) {
    let units = session.remaining();
    if units > 0 {
        let gas = Usdc::from_atomic(gas).unwrap().min(value);
        session.refunded += units;
        session.refunds += 1;
        session.returned = session.returned.checked_add(value).unwrap();
        session.withheld = session.withheld.checked_add(gas).unwrap();
    }
}

/// What all owners have together, and the statement.
fn owners(session: &Session, fee_bps: u16, whose: Unspent) -> (u128, Statement) {
    let s = statement(session, fee_bps, whose).unwrap();
    let parts = [s.provider_net, s.fee, s.gas, s.refunded, s.refund_gas, s.unspent];
    (parts.iter().map(|part| u128::from(part.atomic())).sum(), s)
}

#[test]
fn a_refund_takes_the_rest_and_leaves_what_was_earned() {
    let mut closed = session(10_000_000, 7_000, 10, 4);
    let value = refundable(&closed).unwrap();
    assert_eq!(value.atomic(), 6_000_000);
    refund(&mut closed, value, 7_000);
    let s = statement(&closed, 100, Unspent::Refund).unwrap();
    assert_eq!((s.refunded.atomic(), s.refund_gas.atomic(), s.unspent.atomic()), (5_993_000, 7_000, 0));
    assert_eq!((s.accrued.atomic(), s.provider_net.atomic()), (4_000_000, 3_953_000));
}

#[test]
fn what_rounding_leaves_is_the_payers() {
    let mut closed = session(10, 0, 3, 1);
    let value = refundable(&closed).unwrap();
    assert_eq!(value.atomic(), 7);
    refund(&mut closed, value, 2);
    let s = statement(&closed, 100, Unspent::Refund).unwrap();
    assert_eq!((s.accrued.atomic(), s.refunded.atomic(), s.refund_gas.atomic()), (3, 5, 2));
}

#[test]
fn gas_dearer_than_the_rest_takes_all_of_it() {
    let mut closed = session(10_000, 0, 10, 9);
    let value = refundable(&closed).unwrap();
    refund(&mut closed, value, 7_000);
    let s = statement(&closed, 0, Unspent::Refund).unwrap();
    assert_eq!((s.refunded.atomic(), s.refund_gas.atomic(), s.accrued.atomic()), (0, 1_000, 9_000));
}

/// Hands over what is due, as the ledger does; what the provider got of it.
fn pay(session: &mut Session, fee_bps: u16, whose: Unspent, held_back: u64) -> u64 {
    let before = session.handed.net.atomic();
    if let Some(due) = hand_over(session, fee_bps, whose, held_back, session.deposited) {
        assert!(due.to.adds_up() && due.to.gas <= session.gas, "{due:?}");
        session.handed = due.to;
    }
    session.handed.net.atomic() - before
}

#[test]
fn a_session_paid_out_in_parts_gives_table_5_as_well() {
    let mut session = session(10_000_000, 7_000, 10, 0);
    let mut got = 0;
    for captured in 1..=10 {
        session.captured = captured;
        got += pay(&mut session, 100, Unspent::Refund, 0);
    }
    assert_eq!((got, session.handed.fee.atomic(), session.handed.gas.atomic()), (9_893_000, 100_000, 7_000));
    assert_eq!(hand_over(&session, 100, Unspent::Refund, 0, session.deposited), None, "nothing is left");
}

#[test]
fn what_was_handed_over_stays_so_when_units_become_cheaper_and_fees_dearer() {
    let mut session = session(10_000_000, 0, 10, 10);
    assert_eq!(pay(&mut session, 100, Unspent::Refund, 0), 9_900_000);
    // Ten more units at half the price, and another fee: the first ten keep theirs.
    (session.bought, session.deposited) = (20, Usdc::from_atomic(15_000_000).unwrap());
    let s = statement(&session, 500, Unspent::Refund).unwrap();
    assert_eq!((s.provider_net.atomic(), s.unspent.atomic()), (9_900_000, 5_000_000));
    assert_eq!(refundable(&session).unwrap().atomic(), 5_000_000);
    session.captured = 20;
    // Five percent of all 15,000,000, of which 100,000 were charged.
    assert_eq!(pay(&mut session, 500, Unspent::Refund, 0), 5_000_000 - 650_000);
}

#[test]
fn no_more_is_handed_over_than_is_final_and_cannot_come_back() {
    let mut session = session(10_000, 0, 10, 6);
    let due = |session: &Session, held_back, last: u64| {
        let last = Usdc::from_atomic(last).unwrap();
        hand_over(session, 0, Unspent::Refund, held_back, last).map(|due| (due.to.units, due.to.net.atomic()))
    };
    assert_eq!(due(&session, 0, 10_000), Some((6, 6_000)));
    assert_eq!(due(&session, 2, 10_000), Some((4, 4_000)));
    assert_eq!(due(&session, 0, 3_999), Some((3, 3_000)));
    assert_eq!(due(&session, 0, 999), None);
    session.provider = None;
    assert_eq!(due(&session, 0, 10_000), None);
}

proptest! {
    #[test]
    fn the_provider_gets_the_same_however_often_it_is_paid(
        deposited in 0_u64..1_000_000_000,
        gas in 0_u64..100_000,
        bought in 1_u64..1_000,
        steps in prop::collection::vec((0_u64..200, any::<bool>(), 0_u64..3), 0..20),
        fee_bps in 0_u16..=10_000,
    ) {
        let mut paid = session(deposited, gas, bought, 0);
        let mut got = 0;
        for (used, pays, held_back) in steps {
            paid.captured = (paid.captured + used).min(bought);
            if pays {
                let held_back = held_back.min(paid.captured);
                got += pay(&mut paid, fee_bps, Unspent::Refund, held_back);
            }
            prop_assert_eq!(owners(&paid, fee_bps, Unspent::Refund).0, u128::from(deposited));
        }
        paid.captured = bought;
        got += pay(&mut paid, fee_bps, Unspent::Refund, 0);
        let whole = statement(&session(deposited, gas, bought, bought), fee_bps, Unspent::Refund).unwrap();
        prop_assert_eq!(got, whole.provider_net.atomic());
        prop_assert_eq!(statement(&paid, fee_bps, Unspent::Refund).unwrap().unspent, Usdc::ZERO);
    }

    #[test]
    fn every_atomic_unit_has_one_owner(
        deposited in 0..=Usdc::MAX.atomic(),
        gas in 0_u64..1_000_000,
        bought in 1_u64..1_000_000,
        parts in prop::array::uniform4(0_u64..1_000_000),
        fee_bps in 0_u16..=10_000,
        whose in 0_usize..3,
    ) {
        let mut session = session(deposited, gas, bought, 0);
        let whose = [Unspent::Refund, Unspent::Provider, Unspent::Keep][whose];
        let mut left = bought;
        let mut take = |wish: u64| { let got = wish.min(left); left -= got; got };
        session.captured = take(parts[0]);
        session.expired = take(parts[1]);
        let before = owners(&session, fee_bps, whose);
        prop_assert_eq!(before.0, u128::from(deposited));
        // All that is left goes back, some of it as gas; then somebody pays more, uses some, and gets the rest back.
        for more in [parts[2], parts[3]] {
            let value = refundable(&session).unwrap();
            let accrued = statement(&session, fee_bps, whose).unwrap().accrued;
            refund(&mut session, value, gas);
            let s = statement(&session, fee_bps, whose).unwrap();
            prop_assert_eq!(owners(&session, fee_bps, whose).0, u128::from(session.deposited.atomic()));
            prop_assert_eq!(s.gas.atomic() + s.gas_uncovered.atomic(), gas);
            if whose == Unspent::Provider || session.expired == 0 {
                prop_assert_eq!((s.accrued, s.unspent), (accrued, Usdc::ZERO), "nobody else's share moved");
            }
            session.bought += more;
            let paid = Usdc::MAX.atomic() - session.deposited.atomic();
            session.deposited = Usdc::from_atomic(session.deposited.atomic() + paid.min(more)).unwrap();
            session.captured += more / 3;
            pay(&mut session, fee_bps, whose, 0);
            prop_assert_eq!(
                owners(&session, fee_bps, whose).0, u128::from(session.deposited.atomic())
            );
        }
    }
}
