//! `GET /admin/sessions`, `POST /admin/sessions/{jti}/revoke`.

use crate::error::Error;
use crate::gate::Gate;
use crate::http::answer::{Answer, empty, json};
use crate::http::credentials::parameter;
use crate::rfc3339;
use crate::view::live_streams;
use http::StatusCode;
use http::request::Parts;
use serde_json::{Value, json};
use tollwire_ledger::model::Session;
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
    let sessions: Vec<Value> = page.iter().map(|(id, session)| shown(id, session)).collect();
    Ok(json(StatusCode::OK, &json!({ "sessions": sessions, "next": next })))
}

pub(super) async fn revoke(gate: &Gate, session: &SessionId) -> Result<Answer, Error> {
    match gate.revoke(session).await {
        Ok(()) => Ok(empty(StatusCode::NO_CONTENT)),
        // Here an unknown session is a wrong path, not a bad credential.
        Err(Error::SessionUnknown) => {
            let problem = crate::http::answer::Problem::new(
                StatusCode::NOT_FOUND,
                "session-unknown",
                "no such session",
            );
            Ok(problem.into_answer())
        }
        Err(error) => Err(error),
    }
}

fn shown(jti: &SessionId, session: &Session) -> Value {
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
    })
}
