//! Close, Refund, AttachRefund, SettleRefund: the end of a session, and its rest's way back to the payer.

use super::session::{answered, journalled};
use super::{Applied, Slot, lapse};
use crate::command::{Entry, EntryKind};
use crate::model::{Attempt, Landing, Outgoing, Refund, RefundFate, RefundOrder, Session};
use crate::outcome::View;
use crate::{Outcome, Timestamp};
use tollwire_x402::Usdc;

pub(super) fn close(slot: Slot, now: Timestamp) -> Applied {
    let Some(mut session) = slot.session else { return Applied::unchanged(Outcome::Unknown) };
    let lapsed = lapse(&mut session, now);
    if session.closed {
        return answered(Outcome::Replayed(super::view_of(&session)), session, lapsed);
    }
    session.closed = true;
    session.revision = session.revision.saturating_add(1);
    let entry = Entry { at: now, kind: EntryKind::Close, units: 0, stream: None, payment: None };
    journalled(session, entry)
}

pub(super) fn order(slot: Slot, order: &RefundOrder, now: Timestamp) -> Applied {
    let Some(mut session) = slot.session else { return Applied::unchanged(Outcome::Unknown) };
    let lapsed = lapse(&mut session, now);
    if let Some(refund) = slot.refund {
        return answered(Outcome::Replayed(view(&session, refund)), session, lapsed);
    }
    let Some(session) = without(&session, order, now) else {
        return answered(Outcome::Conflict, session, lapsed);
    };
    let fate = if order.amount() == Usdc::ZERO { RefundFate::Nothing } else { RefundFate::Pending };
    let refund = Refund { order: order.clone(), ordered: now, attempts: Vec::new(), fate };
    let entry = Entry { at: now, kind: EntryKind::Refund, units: order.units, stream: None, payment: None };
    let outcome = Outcome::Done(view(&session, refund.clone()));
    let changed = Slot { session: Some(session), refund: Some(refund), ..Slot::default() };
    Applied { outcome, changed, entries: vec![entry] }
}

/// The session after a refund, if it may have this one.
fn without(session: &Session, order: &RefundOrder, now: Timestamp) -> Option<Session> {
    let over = !session.is_frozen() && (session.closed || session.revoked || now >= session.balance_until);
    let same = session.bought == order.bought && session.captured == order.captured;
    let payer = session.payer == order.to && session.network == order.network;
    let all = order.units > 0 && order.units == session.remaining();
    if !(over && same && payer && all && session.holds.is_empty() && order.gas <= order.value) {
        return None;
    }
    let returned = session.returned.checked_add(order.value)?;
    let gone = returned.checked_add(session.handed.value)?;
    if gone > session.deposited || session.refunds.checked_add(1)? != order.number {
        return None;
    }
    Some(Session {
        refunded: session.refunded.checked_add(order.units)?,
        refunds: order.number,
        returned,
        withheld: session.withheld.checked_add(order.gas)?,
        ..session.clone()
    })
}

pub(super) fn attach(slot: Slot, made: u32, attempt: &Attempt, now: Timestamp) -> Applied {
    let (Some(session), Some(mut refund)) = (slot.session, slot.refund) else {
        return Applied::unchanged(Outcome::Unknown);
    };
    let attached = refund.attempts.iter().any(|known| known.tx == attempt.tx);
    if attached || refund.fate != RefundFate::Pending {
        return shown(Outcome::Replayed, session, refund, now);
    }
    let knew_all = usize::try_from(made) == Ok(refund.attempts.len());
    if session.is_frozen() || !knew_all || refund.attempts.len() >= Outgoing::ATTEMPTS_MAX {
        return Applied::unchanged(Outcome::Conflict);
    }
    refund.attempts.push(attempt.clone());
    changed(session, refund, now)
}

pub(super) fn settle(slot: Slot, landing: &Landing, now: Timestamp) -> Applied {
    let (Some(session), Some(mut refund)) = (slot.session, slot.refund) else {
        return Applied::unchanged(Outcome::Unknown);
    };
    if refund.fate != RefundFate::Pending {
        return shown(Outcome::Replayed, session, refund, now);
    }
    refund.fate = RefundFate::Paid(landing.clone());
    changed(session, refund, now)
}

fn changed(session: Session, refund: Refund, now: Timestamp) -> Applied {
    let kept = refund.clone();
    let mut applied = shown(Outcome::Done, session, refund, now);
    applied.changed.refund = Some(kept);
    applied
}

fn shown(outcome: fn(View) -> Outcome, mut session: Session, refund: Refund, now: Timestamp) -> Applied {
    lapse(&mut session, now);
    Applied::unchanged(outcome(view(&session, refund)))
}

fn view(session: &Session, refund: Refund) -> View {
    View { refund: Some(Box::new(refund)), ..super::view_of(session) }
}
