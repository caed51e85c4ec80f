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
mod tests;
