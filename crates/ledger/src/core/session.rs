//! What concerns a session as a whole: lapse, revocation, the end of its balance, its invariant.

use super::{Applied, Slot, UNITS_MAX, view_of};
use crate::command::{Entry, EntryKind};
use crate::model::{HandOver, Session};
use crate::{Outcome, Timestamp};
use tollwire_x402::Usdc;

/// Returns holds whose lease is over and forgets streams that must have ended. True if anything changed.
///
/// Every command that touches a session begins with this; readers apply it to what they show.
pub fn lapse(session: &mut Session, now: Timestamp) -> bool {
    let before = (session.holds.len(), session.live.len());
    session.holds.retain(|_, hold| hold.until > now);
    session.live.retain(|_, until| *until > now);
    before != (session.holds.len(), session.live.len())
}

/// Checks what must always hold of a session; the error names what does not.
///
/// Stores call it before they write: a row that fails is never stored.
pub fn check_invariants(session: &Session) -> Result<(), &'static str> {
    if session.bought > UNITS_MAX {
        return Err("more units bought than can be counted exactly");
    }
    if session.holds.values().any(|hold| hold.units == 0) {
        return Err("an empty hold");
    }
    if session.withheld > session.returned || session.returned > session.deposited {
        return Err("more money returned than was deposited");
    }
    let handed = &session.handed;
    if !handed.adds_up() || handed.gas > session.gas {
        return Err("what was handed over does not add up");
    }
    if handed.units > session.captured.saturating_add(session.expired) {
        return Err("more units handed over than were earned");
    }
    if session.returned.checked_add(handed.value).is_none_or(|gone| gone > session.deposited) {
        return Err("more money handed over than was left");
    }
    if session.refunds == 0 && (session.refunded, session.returned) != (0, Usdc::ZERO) {
        return Err("units or money returned without a refund");
    }
    let parts = [session.captured, session.refunded, session.expired];
    let held = session.holds.values().map(|hold| hold.units);
    let used = parts.into_iter().chain(held).try_fold(0_u64, u64::checked_add);
    let Some(remaining) = used.and_then(|used| session.bought.checked_sub(used)) else {
        return Err("captured + held + refunded + expired exceeds bought");
    };
    if remaining == session.remaining() { Ok(()) } else { Err("remaining is not what is left of bought") }
}

pub(super) fn revoke(slot: Slot, now: Timestamp) -> Applied {
    let Some(mut session) = slot.session else { return Applied::unchanged(Outcome::Unknown) };
    let lapsed = lapse(&mut session, now);
    if session.revoked {
        return answered(Outcome::Replayed(view_of(&session)), session, lapsed);
    }
    session.revoked = true;
    session.revision = session.revision.saturating_add(1);
    let entry = Entry { at: now, kind: EntryKind::Revoke, units: 0, stream: None, payment: None };
    journalled(session, entry)
}

pub(super) fn expire(slot: Slot, now: Timestamp) -> Applied {
    let Some(mut session) = slot.session else { return Applied::unchanged(Outcome::Unknown) };
    let lapsed = lapse(&mut session, now);
    if session.is_frozen() || (now < session.balance_until && !session.closed) {
        return answered(Outcome::Conflict, session, lapsed);
    }
    let units = session.remaining();
    if units == 0 {
        return answered(Outcome::Replayed(view_of(&session)), session, lapsed);
    }
    session.expired = session.expired.saturating_add(units);
    let entry = Entry { at: now, kind: EntryKind::Expire, units, stream: None, payment: None };
    journalled(session, entry)
}

pub(super) fn hand_over(slot: Slot, due: &HandOver, now: Timestamp) -> Applied {
    let Some(mut session) = slot.session else { return Applied::unchanged(Outcome::Unknown) };
    let lapsed = lapse(&mut session, now);
    if session.handed.units >= due.to.units {
        return answered(Outcome::Replayed(view_of(&session)), session, lapsed);
    }
    if session.is_frozen() || !stands_for(&session, due) {
        return answered(Outcome::Conflict, session, lapsed);
    }
    session.handed = due.to;
    let units = due.to.units.saturating_sub(due.from);
    let entry = Entry { at: now, kind: EntryKind::HandOver, units, stream: None, payment: None };
    journalled(session, entry)
}

/// Whether a session stands as a hand-over was reckoned from, and has that much to hand over.
fn stands_for(session: &Session, due: &HandOver) -> bool {
    let (old, new) = (&session.handed, &due.to);
    let same = (old.units, session.bought, session.refunds) == (due.from, due.bought, due.refunds);
    let whose = session.network == due.network && session.provider.as_ref() == Some(&due.provider);
    let grows = new.value >= old.value && new.fee >= old.fee && new.gas >= old.gas && new.net >= old.net;
    let earned = new.units <= session.captured.saturating_add(session.expired);
    let there = session.returned.checked_add(new.value).is_some_and(|gone| gone <= session.deposited);
    same && whose && grows && earned && there && new.adds_up() && new.gas <= session.gas
}

pub(super) fn answered(outcome: Outcome, session: Session, changed: bool) -> Applied {
    let changed = Slot { session: changed.then_some(session), ..Slot::default() };
    Applied { outcome, changed, entries: Vec::new() }
}

pub(super) fn journalled(session: Session, entry: Entry) -> Applied {
    let outcome = Outcome::Done(view_of(&session));
    let changed = Slot { session: Some(session), ..Slot::default() };
    Applied { outcome, changed, entries: vec![entry] }
}
