//! Gather, Seal, Attach, Settle: a provider's payout, from the first part gathered to its arrival.
//!
//! Sessions and accounts are rows of different places, which no store changes in one step. So a session only ever says
//! how much it has handed over *in all*, and an account remembers, per session, how much of that it has gathered *in all*:
//! a payout takes the difference. However often, late or twice either half is asked for, what leaves a session is
//! gathered once.

use crate::Timestamp;
use crate::model::{Attempt, Landing, Outgoing, Payout, PayoutFate, PayoutOrder, Provider};
use crate::payout::{PayoutCommand, PayoutOutcome};
use tollwire_x402::Usdc;

/// The rows a command of an account is about. A row that does not exist is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PayoutSlot {
    /// The account.
    pub provider: Option<Provider>,
    /// The payout the command names.
    pub payout: Option<Payout>,
    /// What the account has gathered, in all, from the session the command names.
    pub gathered: Option<Usdc>,
}

/// What a command of an account did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaidOut {
    /// The answer.
    pub outcome: PayoutOutcome,
    /// Rows to write back; `None` where nothing changed. No row is ever deleted.
    pub changed: PayoutSlot,
}

/// Applies one command to the rows it names, at the time `now`.
pub fn pay_out(slot: PayoutSlot, command: &PayoutCommand, now: Timestamp) -> PaidOut {
    match command {
        PayoutCommand::Gather { payout, order, net, .. } => gather(slot, payout.number, order, *net, now),
        PayoutCommand::Seal { gas, .. } => seal(slot, *gas, now),
        PayoutCommand::Attach { made, attempt, .. } => attach(slot, *made, attempt),
        PayoutCommand::Settle { landing, .. } => settle(slot, landing),
    }
}

fn gather(slot: PayoutSlot, number: u32, order: &PayoutOrder, net: Usdc, now: Timestamp) -> PaidOut {
    let known = slot.gathered.unwrap_or(Usdc::ZERO);
    let Some(more) = net.checked_sub(known).filter(|more| *more > Usdc::ZERO) else {
        return unchanged(PayoutOutcome::Replayed(slot.payout.map(Box::new)));
    };
    let mut provider = slot.provider.unwrap_or_default();
    let mut payout = match slot.payout {
        Some(payout) if payout.fate == PayoutFate::Gathering && payout.order == *order => payout,
        None if !provider.gathering && provider.payouts.checked_add(1) == Some(number) => opened(order, now),
        Some(_) | None => return unchanged(PayoutOutcome::Conflict),
    };
    let sums = (payout.gathered.checked_add(more), provider.gathered.checked_add(more));
    let (Some(gathered), Some(in_all)) = sums else {
        return unchanged(PayoutOutcome::Conflict);
    };
    payout.gathered = gathered;
    payout.parts = payout.parts.saturating_add(1);
    provider = Provider { payouts: number, gathering: true, gathered: in_all };
    let changed = PayoutSlot { provider: Some(provider), payout: Some(payout.clone()), gathered: Some(net) };
    PaidOut { outcome: PayoutOutcome::Done(Box::new(payout)), changed }
}

fn opened(order: &PayoutOrder, now: Timestamp) -> Payout {
    Payout {
        order: order.clone(),
        opened: now,
        gathered: Usdc::ZERO,
        parts: 0,
        gas: Usdc::ZERO,
        sealed: None,
        attempts: Vec::new(),
        fate: PayoutFate::Gathering,
    }
}

fn seal(slot: PayoutSlot, gas: Usdc, now: Timestamp) -> PaidOut {
    let (Some(provider), Some(mut payout)) = (slot.provider, slot.payout) else {
        return unchanged(PayoutOutcome::Unknown);
    };
    if payout.fate != PayoutFate::Gathering {
        return unchanged(PayoutOutcome::Replayed(Some(Box::new(payout))));
    }
    if gas >= payout.gathered {
        return unchanged(PayoutOutcome::Conflict);
    }
    payout.gas = gas;
    payout.sealed = Some(now);
    payout.fate = PayoutFate::Pending;
    let provider = Some(Provider { gathering: false, ..provider });
    let changed = PayoutSlot { provider, payout: Some(payout.clone()), gathered: None };
    PaidOut { outcome: PayoutOutcome::Done(Box::new(payout)), changed }
}

fn attach(slot: PayoutSlot, made: u32, attempt: &Attempt) -> PaidOut {
    let Some(mut payout) = slot.payout else { return unchanged(PayoutOutcome::Unknown) };
    let attached = payout.attempts.iter().any(|known| known.tx == attempt.tx);
    match payout.fate {
        PayoutFate::Gathering => return unchanged(PayoutOutcome::Conflict),
        PayoutFate::Pending if !attached => {}
        PayoutFate::Pending | PayoutFate::Paid(_) => {
            return unchanged(PayoutOutcome::Replayed(Some(Box::new(payout))));
        }
    }
    let count = payout.attempts.len();
    if usize::try_from(made) != Ok(count) || count >= Outgoing::ATTEMPTS_MAX {
        return unchanged(PayoutOutcome::Conflict);
    }
    payout.attempts.push(attempt.clone());
    changed(payout)
}

fn settle(slot: PayoutSlot, landing: &Landing) -> PaidOut {
    let Some(mut payout) = slot.payout else { return unchanged(PayoutOutcome::Unknown) };
    match payout.fate {
        PayoutFate::Gathering => unchanged(PayoutOutcome::Conflict),
        PayoutFate::Paid(_) => unchanged(PayoutOutcome::Replayed(Some(Box::new(payout)))),
        PayoutFate::Pending => {
            payout.fate = PayoutFate::Paid(landing.clone());
            changed(payout)
        }
    }
}

fn changed(payout: Payout) -> PaidOut {
    let changed = PayoutSlot { payout: Some(payout.clone()), ..PayoutSlot::default() };
    PaidOut { outcome: PayoutOutcome::Done(Box::new(payout)), changed }
}

fn unchanged(outcome: PayoutOutcome) -> PaidOut {
    PaidOut { outcome, changed: PayoutSlot::default() }
}
