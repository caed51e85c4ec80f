//! Record, Attach, Credit, Abandon: a payment's way to one of its two ends.

use super::{Applied, Slot, UNITS_MAX, deadline, lapse, session_view};
use crate::command::{Entry, EntryKind};
use crate::model::{Attempt, Fate, Handed, Intent, Landing, Payment, Session};
use crate::outcome::View;
use crate::{Outcome, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;
use tollwire_x402::{PaymentId, SessionId, Usdc};

pub(super) fn record(slot: Slot, intent: &Intent, now: Timestamp) -> Applied {
    if let Some(stored) = slot.payment {
        return if stored.intent.same_purchase(intent) {
            Applied::unchanged(Outcome::Replayed(view(stored, slot.session, now)))
        } else {
            Applied::unchanged(Outcome::Foreign)
        };
    }
    if intent.top_up && slot.session.as_ref().is_some_and(|session| session.closed) {
        return Applied::unchanged(Outcome::Closed);
    }
    let sells_the_same = |session: &Session| intent.plain || same_goods(session, intent);
    let fits = match &slot.session {
        Some(session) => sells_the_same(session),
        // There is nothing to add to.
        None => !intent.top_up,
    };
    if !(1..=UNITS_MAX).contains(&intent.units) || !fits {
        return Applied::unchanged(Outcome::Conflict);
    }
    let payment = Payment {
        intent: intent.clone(),
        recorded: now,
        attempts: Vec::new(),
        fate: Fate::Pending,
        gone: false,
    };
    done(payment, slot.session, now)
}

pub(super) fn attach(slot: Slot, session: &SessionId, attempt: &Attempt, now: Timestamp) -> Applied {
    let Some(mut payment) = named(slot.payment, session) else {
        return Applied::unchanged(Outcome::Unknown);
    };
    let attached = payment.attempts.iter().any(|known| known.tx == attempt.tx);
    if attached || payment.fate != Fate::Pending {
        return Applied::unchanged(Outcome::Replayed(view(payment, slot.session, now)));
    }
    if payment.attempts.len() >= Payment::ATTEMPTS_MAX {
        return Applied::unchanged(Outcome::Conflict);
    }
    payment.attempts.push(attempt.clone());
    done(payment, slot.session, now)
}

pub(super) fn credit(
    slot: Slot,
    id: &PaymentId,
    session: &SessionId,
    landing: &Landing,
    now: Timestamp,
) -> Applied {
    let Some(mut payment) = named(slot.payment, session) else {
        return Applied::unchanged(Outcome::Unknown);
    };
    if matches!(payment.fate, Fate::Credited(_)) {
        return Applied::unchanged(Outcome::Replayed(view(payment, slot.session, now)));
    }
    payment.fate = Fate::Credited(landing.clone());
    if payment.intent.plain {
        return done(payment, None, now);
    }
    let Some(session) = grown(slot.session, &payment.intent, landing, now) else {
        return Applied::unchanged(Outcome::Conflict);
    };
    let entry = Entry {
        at: now,
        kind: EntryKind::Credit,
        units: payment.intent.units,
        stream: None,
        payment: Some(id.clone()),
    };
    let outcome = Outcome::Done(view(payment.clone(), Some(session.clone()), now));
    let changed = Slot { payment: Some(payment), session: Some(session), ..Slot::default() };
    Applied { outcome, changed, entries: vec![entry] }
}

pub(super) fn abandon(slot: Slot, session: &SessionId, reason: &str, now: Timestamp) -> Applied {
    let Some(mut payment) = named(slot.payment, session) else {
        return Applied::unchanged(Outcome::Unknown);
    };
    if payment.fate != Fate::Pending {
        return Applied::unchanged(Outcome::Replayed(view(payment, slot.session, now)));
    }
    payment.fate = Fate::Abandoned(reason.to_owned());
    done(payment, slot.session, now)
}

/// The session with a payment's units added, or a new one; `None` if it sells something else or would hold more
/// than can be counted.
fn grown(found: Option<Session>, intent: &Intent, landing: &Landing, now: Timestamp) -> Option<Session> {
    let mut session = found.unwrap_or_else(|| opened(intent, now));
    if !same_goods(&session, intent) {
        return None;
    }
    lapse(&mut session, now);
    session.bought = session.bought.checked_add(intent.units).filter(|bought| *bought <= UNITS_MAX)?;
    session.deposited = session.deposited.checked_add(intent.amount)?;
    session.gas = session.gas.checked_add(landing.gas)?;
    session.last_block = session.last_block.max(landing.block.min(UNITS_MAX));
    let until = deadline(now, Duration::from_millis(intent.balance_ttl_ms));
    session.balance_until = session.balance_until.max(until);
    Some(session)
}

fn opened(intent: &Intent, now: Timestamp) -> Session {
    Session {
        feed: intent.feed.clone(),
        unit: intent.unit,
        payer: intent.payer.clone(),
        network: intent.network,
        chain: intent.chain.clone(),
        deposited: Usdc::ZERO,
        gas: Usdc::ZERO,
        last_block: 0,
        provider: intent.provider.clone(),
        handed: Handed::default(),
        bought: 0,
        captured: 0,
        refunded: 0,
        expired: 0,
        refunds: 0,
        returned: Usdc::ZERO,
        withheld: Usdc::ZERO,
        holds: BTreeMap::new(),
        live: BTreeMap::new(),
        opened: now,
        balance_until: Timestamp::default(),
        revoked: false,
        closed: false,
        frozen: 0,
        recalled: None,
        jkt: intent.jkt.clone(),
        revision: 0,
    }
}

fn same_goods(session: &Session, intent: &Intent) -> bool {
    session.feed == intent.feed && session.unit == intent.unit
}

/// The payment, if it was recorded for the session that the command names.
pub(super) fn named(payment: Option<Payment>, session: &SessionId) -> Option<Payment> {
    payment.filter(|payment| payment.intent.session == *session)
}

fn done(payment: Payment, session: Option<Session>, now: Timestamp) -> Applied {
    let outcome = Outcome::Done(view(payment.clone(), session, now));
    let changed = Slot { payment: Some(payment), ..Slot::default() };
    Applied { outcome, changed, entries: Vec::new() }
}

pub(super) fn view(payment: Payment, session: Option<Session>, now: Timestamp) -> View {
    let session = session.filter(|_| !payment.intent.plain);
    View { payment: Some(Box::new(payment)), session: session_view(session, now), refund: None }
}
