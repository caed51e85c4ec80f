//! `GET /admin/sessions`, `POST /admin/sessions/{jti}/revoke`, `/close` and `/refund`.

use crate::error::Error;
use crate::gate::Gate;
use crate::http::answer::{Answer, Problem, empty, json};
use crate::http::close;
use crate::http::credentials::parameter;
use crate::rfc3339;
use crate::view::live_streams;
use http::StatusCode;
use http::request::Parts;
use serde_json::{Value, json};
use tollwire_ledger::model::{RefundId, Session};
use tollwire_x402::SessionId;

/// Sessions in one answer, unless fewer are asked for.
pub(super) const PAGE_MAX: usize = 500;

/// One page, in the order of ids: `?after=` the last id seen, `?limit=` at most [`PAGE_MAX`].
pub(super) async fn list(gate: &Gate, parts: &Parts) -> Result<Answer, Error> {
    let after = match parameter(parts, "after")? {
        Some(text) => Some(text.parse::<SessionId>().map_err(|_| Error::malformed("after", "write a jti"))?),
        None => None,
    };
    let limit = match parameter(parts, "limit")? {
        Some(text) => text.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit)),
        None => Some(100),
    };
    let limit = limit.ok_or_else(|| Error::malformed("limit", format!("write 1 to {PAGE_MAX}")))?;
    let page = gate.ledger.sessions(after.as_ref(), limit).await?;
    let next = (page.len() == limit).then(|| page.last().map(|(id, _)| id.clone())).flatten();
    let mut sessions = Vec::with_capacity(page.len());
    for (id, session) in &page {
        sessions.push(shown(id, session, &refunds(gate, id, session).await?));
    }
    Ok(json(StatusCode::OK, &json!({ "sessions": sessions, "next": next })))
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

fn shown(jti: &SessionId, session: &Session, refunds: &[Value]) -> Value {
    json!({
        "jti": jti,
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
