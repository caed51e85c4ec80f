//! Freeze, Thaw: a deposit that the chain took back, and one that it gave again.

use super::payment::{named, view};
use super::{Applied, Slot, UNITS_MAX, lapse};
use crate::command::{Entry, EntryKind};
use crate::model::{Fate, Landing, Payment, Session};
use crate::{Outcome, Timestamp};
use tollwire_x402::{PaymentId, SessionId};

pub(super) fn freeze(slot: Slot, id: &PaymentId, session: &SessionId, now: Timestamp) -> Applied {
    let Some(mut payment) = named(slot.payment, session) else {
        return Applied::unchanged(Outcome::Unknown);
    };
    if payment.gone || !matches!(payment.fate, Fate::Credited(_)) {
        return Applied::unchanged(Outcome::Replayed(view(payment, slot.session, now)));
    }
    payment.gone = true;
    let session = slot.session.filter(|_| !payment.intent.plain).map(|mut session| {
        lapse(&mut session, now);
        session.frozen = session.frozen.saturating_add(1);
        session.revision = session.revision.saturating_add(1);
        session
    });
    changed(payment, session, id, EntryKind::Freeze, now)
}

pub(super) fn thaw(
    slot: Slot,
    id: &PaymentId,
    session: &SessionId,
    landing: &Landing,
    now: Timestamp,
) -> Applied {
    let Some(mut payment) = named(slot.payment, session) else {
        return Applied::unchanged(Outcome::Unknown);
    };
    let Fate::Credited(known) = &payment.fate else {
        return Applied::unchanged(Outcome::Conflict);
    };
    if !payment.gone && known == landing {
        return Applied::unchanged(Outcome::Replayed(view(payment, slot.session, now)));
    }
    let thaws = std::mem::take(&mut payment.gone);
    let session = slot.session.filter(|_| !payment.intent.plain).map(|mut session| {
        lapse(&mut session, now);
        session.last_block = session.last_block.max(landing.block.min(UNITS_MAX));
        if thaws {
            session.frozen = session.frozen.saturating_sub(1);
            session.revision = session.revision.saturating_add(1);
        }
        session
    });
    payment.fate = Fate::Credited(landing.clone());
    changed(payment, session, id, EntryKind::Thaw, now)
}

fn changed(
    payment: Payment,
    session: Option<Session>,
    id: &PaymentId,
    kind: EntryKind,
    now: Timestamp,
) -> Applied {
    let entry = Entry { at: now, kind, units: 0, stream: None, payment: Some(id.clone()) };
    let entries = if session.is_some() { vec![entry] } else { Vec::new() };
    let outcome = Outcome::Done(view(payment.clone(), session.clone(), now));
    let changed = Slot { payment: Some(payment), session, ..Slot::default() };
    Applied { outcome, changed, entries }
}
