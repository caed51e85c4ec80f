//! `GET /admin/sessions`, `GET /admin/sessions/{jti}`, `POST /admin/sessions/{jti}/revoke`, `/close` and `/refund`.

use super::newest;
use crate::error::Error;
use crate::gate::Gate;
use crate::http::answer::{Answer, Problem, empty, json};
use crate::http::close;
use crate::http::credentials::parameter;
use crate::overview::State;
use crate::rfc3339;
use crate::view::live_streams;
use http::StatusCode;
use http::request::Parts;
use serde_json::{Value, json};
use tollwire_ledger::Timestamp;
use tollwire_ledger::command::Entry;
use tollwire_ledger::model::{RefundId, Session};
use tollwire_x402::{SessionId, StreamId};

/// Sessions in one answer, unless fewer are asked for.
pub(super) const PAGE_MAX: usize = 500;

/// Lines of a session's journal that are shown with it, the newest.
const JOURNAL_MAX: usize = 100;

/// One page, in the order of ids: `?after=` the last id seen, `?limit=` at most [`PAGE_MAX`]. With `?order=newest` the
/// newest first, see [`newest`].
pub(super) async fn list(gate: &Gate, parts: &Parts) -> Result<Answer, Error> {
    match parameter(parts, "order")?.as_deref() {
        None | Some("id") => {}
        Some("newest") => return newest::list(gate, parts).await,
        Some(_) => return Err(Error::malformed("order", "write id or newest")),
    }
    let after = match parameter(parts, "after")? {
        Some(text) => Some(text.parse::<SessionId>().map_err(|_| Error::malformed("after", "write a jti"))?),
        None => None,
    };
    let limit = limit(parts)?;
    let page = gate.ledger.sessions(after.as_ref(), limit).await?;
    let next = (page.len() == limit).then(|| page.last().map(|(id, _)| id.clone())).flatten();
    let mut sessions = Vec::with_capacity(page.len());
    for (id, session) in &page {
        sessions.push(row(gate, id, session).await?);
    }
    Ok(json(StatusCode::OK, &json!({ "sessions": sessions, "next": next })))
}

/// How many rows are asked for.
pub(super) fn limit(parts: &Parts) -> Result<usize, Error> {
    let limit = match parameter(parts, "limit")? {
        Some(text) => text.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit)),
        None => Some(100),
    };
    limit.ok_or_else(|| Error::malformed("limit", format!("write 1 to {PAGE_MAX}")))
}

/// One session, with its live streams and what happened last.
pub(super) async fn show(gate: &Gate, id: &SessionId) -> Result<Answer, Error> {
    let Some(session) = gate.ledger.session(id).await? else {
        return known(Err(Error::SessionUnknown), |()| empty(StatusCode::OK));
    };
    let mut shown = row(gate, id, &session).await?;
    let journal = gate.ledger.journal(id).await?;
    let entry = |entry: &Entry| {
        json!({
            "at": rfc3339::millis(entry.at),
            "kind": entry.kind,
            "units": entry.units,
            "stream": entry.stream,
            "payment": entry.payment,
        })
    };
    let stream = |(stream, until): (&StreamId, &Timestamp)| json!({ "stream": stream, "held": session.held_for(stream), "until": rfc3339::millis(*until) });
    if let Some(members) = shown.as_object_mut() {
        members.insert("provider".into(), json!(session.provider));
        members.insert("streams".into(), session.live.iter().map(stream).collect());
        members.insert("journal".into(), journal.iter().rev().take(JOURNAL_MAX).map(entry).collect());
    }
    Ok(json(StatusCode::OK, &shown))
}

/// A session's row, refunds included.
pub(super) async fn row(gate: &Gate, id: &SessionId, session: &Session) -> Result<Value, Error> {
    let refunds = refunds(gate, id, session).await?;
    Ok(shown(id, session, State::of(session, gate.clock.now()), &refunds))
}

pub(super) async fn revoke(gate: &Gate, session: &SessionId) -> Result<Answer, Error> {
    known(gate.revoke(session).await, |()| empty(StatusCode::NO_CONTENT))
}

pub(super) async fn close(gate: &Gate, session: &SessionId) -> Result<Answer, Error> {
    known(gate.close(session).await, |closure| close::answer(&closure))
}

pub(super) async fn refund(gate: &Gate, session: &SessionId) -> Result<Answer, Error> {
    known(gate.refund(session).await, |closure| close::answer(&closure))
}

/// Here an unknown session is a wrong path, not a bad credential.
fn known<T>(done: Result<T, Error>, answer: impl FnOnce(T) -> Answer) -> Result<Answer, Error> {
    match done {
        Ok(done) => Ok(answer(done)),
        Err(Error::SessionUnknown) => {
            let problem = Problem::new(StatusCode::NOT_FOUND, "session-unknown", "no such session");
            Ok(problem.into_answer())
        }
        Err(error) => Err(error),
    }
}

/// The refunds of a session, oldest first.
async fn refunds(gate: &Gate, session: &SessionId, row: &Session) -> Result<Vec<Value>, Error> {
    let mut refunds = Vec::new();
    for number in 1..=row.refunds {
        let id = RefundId { session: session.clone(), number };
        refunds.extend(gate.ledger.refund(&id).await?.as_ref().map(close::shown));
    }
    Ok(refunds)
}

fn shown(jti: &SessionId, session: &Session, state: State, refunds: &[Value]) -> Value {
    json!({
        "jti": jti,
        "state": state,
        "feed": session.feed,
        "unit": session.unit,
        "payer": session.payer,
        "network": session.network,
        "chain": session.chain,
        "deposited": session.deposited,
        "gas": session.gas,
        "bought": session.bought,
        "captured": session.captured,
        "held": session.held(),
        "remaining": session.remaining(),
        "refunded": session.refunded,
        "expired": session.expired,
        "live_streams": live_streams(session),
        "opened": rfc3339::millis(session.opened),
        "balance_until": rfc3339::millis(session.balance_until),
        "revoked": session.revoked,
        "closed": session.closed,
        "frozen": session.is_frozen(),
        "refunds": refunds,
    })
}
