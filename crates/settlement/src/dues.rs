//! Who gets what of a session's money, to the last atomic unit.
//!
//! Dues accrue on captured units only. The provider's net is what was captured, less the session's gas, which is
//! charged once, less the fee, which is rounded down on the cumulative value so that no sequence of small captures
//! pays more or less than one large one.
//!
//! What a payout takes ([`hand_over`]) leaves the session for good as well: units that were earned, with the money they
//! were paid with, divided into fee, gas and net once and for all. So neither a top-up at another price nor another
//! `fee_bps` can ask for any of it back, and what was handed over needs no cover but the transfer itself.
//!
//! A refund takes its units out of the session together with the money they were paid with, for good: what is left of
//! the deposit is spread over the units that are left. Of that money, what the payer was sent is the payer's, and what
//! was withheld for gas is the operator's, who pays the gas whatever it comes to. So the payer bears what was estimated,
//! and the operator gains or loses the difference to what it cost. When the estimate is more than the whole value,
//! nothing is sent and all of it is withheld.

use tollwire_ledger::model::{HandOver, Handed, Session};
use tollwire_x402::Usdc;

/// What becomes of units that nobody used when the balance's life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unspent {
    /// They are owed back to the payer.
    Refund,
    /// They fall to the provider, as if they had been served.
    Provider,
    /// They stay in the session, unspent, until an operator refunds them.
    Keep,
}

/// Where a session's deposit stands. Always
/// `deposited == provider_net + fee + gas + refunded + refund_gas + unspent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement {
    /// What the agent paid in.
    pub deposited: Usdc,
    /// The value of what the provider has earned: captured units, and expired ones that fall to it.
    pub accrued: Usdc,
    /// The operator's fee on it.
    pub fee: Usdc,
    /// The gas of the session's settlements that the provider bears.
    pub gas: Usdc,
    /// The gas that what was accrued could not cover; the operator bears it until more is captured.
    pub gas_uncovered: Usdc,
    /// What the provider gets, what it got included.
    pub provider_net: Usdc,
    /// What of it was handed over to payouts.
    pub handed: Usdc,
    /// Sent back, or owed back, to the payer.
    pub refunded: Usdc,
    /// Withheld from refunds for their gas; the operator's.
    pub refund_gas: Usdc,
    /// What can still be used (held units included).
    pub unspent: Usdc,
}

/// The statement of a session.
///
/// `fee_bps` is the operator's share in basis points, at most 10,000. The value of some units is their part of the
/// deposit, rounded down; what rounding leaves stays unspent until the last unit is used. `None` if the session's
/// numbers contradict each other.
pub fn statement(session: &Session, fee_bps: u16, unspent: Unspent) -> Option<Statement> {
    let earned = earned(session, unspent)?;
    let expired_owed = if unspent == Unspent::Refund { session.expired } else { 0 };
    let gone = session.captured.checked_add(expired_owed)?.max(earned);
    let accrued = value_of(session, earned)?;
    let owed = value_of(session, gone)?.checked_sub(accrued)?;
    let sent = session.returned.checked_sub(session.withheld)?;
    let shares = divide(session, earned, accrued, fee_bps)?;
    let unrefunded = session.deposited.checked_sub(session.returned)?;
    Some(Statement {
        deposited: session.deposited,
        accrued,
        fee: shares.fee,
        gas: shares.gas,
        gas_uncovered: session.gas.checked_sub(shares.gas)?,
        provider_net: shares.net,
        handed: session.handed.net,
        refunded: sent.checked_add(owed)?,
        refund_gas: session.withheld,
        unspent: unrefunded.checked_sub(accrued)?.checked_sub(owed)?,
    })
}

/// What a session may hand over to its provider's payout now; `None` if nothing is due, or nobody is to be paid.
///
/// Of the units captured, `held_back` are left for another time, because they could still be given back. No more is
/// handed over than what is final of the deposits, `final_deposits`, leaves room for.
pub fn hand_over(
    session: &Session,
    fee_bps: u16,
    unspent: Unspent,
    held_back: u64,
    final_deposits: Usdc,
) -> Option<HandOver> {
    let provider = session.provider.clone()?;
    let old = &session.handed;
    let new =
        earned(session, unspent)?.checked_sub(held_back)?.checked_sub(old.units).filter(|new| *new > 0)?;
    let (money, all) = rest(session)?;
    let room = final_deposits.checked_sub(session.returned)?.checked_sub(old.value)?;
    let part = |units: u64| -> Option<Usdc> { part_of(money, units, all) };
    let units = if part(new)? > room {
        // As many as the room pays for: floor(money * floor(room * all / money) / all) <= room.
        let product = u128::from(room.atomic()).checked_mul(u128::from(all))?;
        u64::try_from(product.checked_div(u128::from(money.atomic()))?).ok()?.min(new)
    } else {
        new
    };
    let in_all = old.units.checked_add(units)?;
    let to = divide(session, in_all, old.value.checked_add(part(units)?)?, fee_bps)?;
    (to.net > old.net).then_some(HandOver {
        from: old.units,
        to,
        bought: session.bought,
        refunds: session.refunds,
        network: session.network,
        provider,
    })
}

/// Units that the provider has earned; what was handed over stays earned, whatever the rule is now.
fn earned(session: &Session, unspent: Unspent) -> Option<u64> {
    let expired = if unspent == Unspent::Provider { session.expired } else { 0 };
    Some(session.captured.checked_add(expired)?.max(session.handed.units))
}

/// How what accrued in all divides. What was handed over is divided already; of what accrued since, the fee is what the
/// share of the whole comes to beyond what was charged, the gas what is left to be charged, at most all of the rest.
fn divide(session: &Session, units: u64, accrued: Usdc, fee_bps: u16) -> Option<Handed> {
    let old = &session.handed;
    let new = accrued.checked_sub(old.value)?;
    let share = accrued.share_bps(fee_bps)?;
    let fee = share.checked_sub(old.fee).unwrap_or(Usdc::ZERO).min(new);
    let after_fee = new.checked_sub(fee)?;
    let gas = session.gas.checked_sub(old.gas)?.min(after_fee);
    Some(Handed {
        units,
        value: accrued,
        fee: old.fee.checked_add(fee)?,
        gas: old.gas.checked_add(gas)?,
        net: old.net.checked_add(after_fee.checked_sub(gas)?)?,
    })
}

/// The fee still to be charged when `cumulative` has accrued and `charged` was charged before. `None` if `fee_bps`
/// exceeds 10,000 or more was charged than was due.
pub fn fee_due(cumulative: Usdc, fee_bps: u16, charged: Usdc) -> Option<Usdc> {
    cumulative.share_bps(fee_bps)?.checked_sub(charged)
}

/// What the units that remain were paid with, all of them: the money that neither refunds have taken nor other units
/// account for, what rounding left included. `None` if the session's numbers contradict each other, or units are held.
pub fn refundable(session: &Session) -> Option<Usdc> {
    if session.held() > 0 {
        return None;
    }
    let gone = session.captured.checked_add(session.expired)?;
    session.deposited.checked_sub(session.returned)?.checked_sub(value_of(session, gone)?)
}

/// What units are worth, those that were handed over included: these what they were handed over for, the others their part
/// of the rest.
fn value_of(session: &Session, units: u64) -> Option<Usdc> {
    let (money, all) = rest(session)?;
    let others = units.checked_sub(session.handed.units)?;
    session.handed.value.checked_add(part_of(money, others, all)?)
}

/// The money and the units that neither refunds nor payouts have taken.
fn rest(session: &Session) -> Option<(Usdc, u64)> {
    let money = session.deposited.checked_sub(session.returned)?.checked_sub(session.handed.value)?;
    let units = session.bought.checked_sub(session.refunded)?.checked_sub(session.handed.units)?;
    Some((money, units))
}

/// `floor(money * units / all)`.
fn part_of(money: Usdc, units: u64, all: u64) -> Option<Usdc> {
    if units > all {
        return None;
    }
    let product = u128::from(money.atomic()).checked_mul(u128::from(units))?;
    let value = product.checked_div(u128::from(all)).unwrap_or(0);
    Usdc::from_atomic(u64::try_from(value).ok()?)
}

#[cfg(test)]
mod tests {
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
        assert_eq!(fee_due(Usdc::ZERO, 100, Usdc::from_atomic(1).unwrap()), None);
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
        assert_eq!(
            (got, session.handed.fee.atomic(), session.handed.gas.atomic()),
            (9_893_000, 100_000, 7_000)
        );
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
            hand_over(session, 0, Unspent::Refund, held_back, last)
                .map(|due| (due.to.units, due.to.net.atomic()))
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

        #[test]
        fn fees_in_steps_equal_the_fee_at_once(
            steps in prop::collection::vec(0_u64..1_000_000, 0..50),
            fee_bps in 0_u16..=10_000,
        ) {
            let (mut cumulative, mut charged) = (Usdc::ZERO, Usdc::ZERO);
            for step in steps {
                cumulative = cumulative.checked_add(Usdc::from_atomic(step).unwrap()).unwrap();
                charged = charged.checked_add(fee_due(cumulative, fee_bps, charged).unwrap()).unwrap();
            }
            prop_assert_eq!(charged, cumulative.share_bps(fee_bps).unwrap());
        }
    }
}
