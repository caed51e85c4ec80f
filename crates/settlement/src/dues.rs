//! Who gets what of a session's money, to the last atomic unit.
//!
//! Dues accrue on captured units only. The provider's net is what was captured, less the session's gas, which is
//! charged once, less the fee, which is rounded down on the cumulative value so that no sequence of small captures
//! pays more or less than one large one.

use tollwire_ledger::model::Session;
use tollwire_x402::Usdc;

/// What becomes of units that nobody used when the balance's life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unspent {
    /// They are owed back to the payer.
    Refund,
    /// They fall to the provider, as if they had been served.
    Provider,
}

/// Where a session's deposit stands. Always
/// `deposited == provider_net + fee + gas + refunded + unspent`.
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
    /// What the provider gets.
    pub provider_net: Usdc,
    /// Paid back, or owed back, to the payer.
    pub refunded: Usdc,
    /// What can still be used (held units included).
    pub unspent: Usdc,
}

/// The statement of a session.
///
/// `fee_bps` is the operator's share in basis points, at most 10,000. The value of some units is their part of the
/// deposit, rounded down; what rounding leaves stays unspent until the last unit is used. `None` if the session's
/// numbers contradict each other.
pub fn statement(session: &Session, fee_bps: u16, unspent: Unspent) -> Option<Statement> {
    let expired_to = |whose: Unspent| if whose == unspent { session.expired } else { 0 };
    let earned = session.captured.checked_add(expired_to(Unspent::Provider))?;
    let returned = session.refunded.checked_add(expired_to(Unspent::Refund))?;
    let gone = earned.checked_add(returned)?;
    let accrued = value_of(session, earned)?;
    let refunded = value_of(session, gone)?.checked_sub(accrued)?;
    let fee = accrued.share_bps(fee_bps)?;
    let after_fee = accrued.checked_sub(fee)?;
    let gas = session.gas.min(after_fee);
    Some(Statement {
        deposited: session.deposited,
        accrued,
        fee,
        gas,
        gas_uncovered: session.gas.checked_sub(gas)?,
        provider_net: after_fee.checked_sub(gas)?,
        refunded,
        unspent: session.deposited.checked_sub(accrued)?.checked_sub(refunded)?,
    })
}

/// The fee still to be charged when `cumulative` has accrued and `charged` was charged before. `None` if `fee_bps`
/// exceeds 10,000 or more was charged than was due.
pub fn fee_due(cumulative: Usdc, fee_bps: u16, charged: Usdc) -> Option<Usdc> {
    cumulative.share_bps(fee_bps)?.checked_sub(charged)
}

/// `floor(deposited * units / bought)`.
fn value_of(session: &Session, units: u64) -> Option<Usdc> {
    if units > session.bought {
        return None;
    }
    let product = u128::from(session.deposited.atomic()).checked_mul(u128::from(units))?;
    let value = product.checked_div(u128::from(session.bought)).unwrap_or(0);
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
            bought,
            captured,
            refunded: 0,
            expired: 0,
            holds: BTreeMap::default(),
            live: BTreeMap::default(),
            opened: Timestamp::default(),
            balance_until: Timestamp::default(),
            revoked: false,
            closed: false,
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

    proptest! {
        #[test]
        fn every_atomic_unit_has_one_owner(
            deposited in 0..=Usdc::MAX.atomic(),
            gas in 0_u64..1_000_000,
            bought in 1_u64..1_000_000,
            parts in prop::array::uniform4(0_u64..1_000_000),
            fee_bps in 0_u16..=10_000,
            to_provider: bool,
        ) {
            let mut session = session(deposited, gas, bought, 0);
            let mut left = bought;
            let mut take = |wish: u64| { let got = wish.min(left); left -= got; got };
            session.captured = take(parts[0]);
            session.refunded = take(parts[1]);
            session.expired = take(parts[2]);
            let whose = if to_provider { Unspent::Provider } else { Unspent::Refund };
            let s = statement(&session, fee_bps, whose).unwrap();
            let sum = [s.provider_net, s.fee, s.gas, s.refunded, s.unspent]
                .iter()
                .map(|part| u128::from(part.atomic()))
                .sum::<u128>();
            prop_assert_eq!(sum, u128::from(s.deposited.atomic()));
            prop_assert_eq!(s.gas.atomic() + s.gas_uncovered.atomic(), gas);
            if session.captured + session.refunded + session.expired == bought {
                prop_assert_eq!(s.unspent, Usdc::ZERO);
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
