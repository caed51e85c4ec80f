//! `DELETE /session`: its payer ends a session, and what is left goes where the operator's rule says.

use super::answer::{Answer, json};
use super::bill::{Asked, refusal};
use super::credentials::required;
use super::problem::problem;
use crate::closing::{Closure, Stage};
use crate::error::Error;
use crate::gate::Gate;
use http::StatusCode;
use http::header::RETRY_AFTER;
use http::request::Parts;
use serde_json::{Value, json};
use std::net::IpAddr;
use tollwire_ledger::model::{Refund, RefundFate};

/// The resource.
const PATH: &str = "/session";

pub(super) async fn delete(gate: &Gate, parts: &Parts) -> Answer {
    let held = async { gate.holder(parts, PATH, &required(&parts.headers)?).await };
    let claims = match held.await {
        Ok(claims) => claims,
        Err(error) => return problem(&error).into_answer(),
    };
    let closed = async {
        let _pass = gate.pass(parts.extensions.get::<IpAddr>().copied())?;
        let session = gate.ledger.session(&claims.jti).await?.ok_or(Error::SessionUnknown)?;
        // Who shows the key that the session is bound to is its payer.
        if claims.jkt.is_none() {
            gate.check_payer(&claims.jti, &session, &parts.headers).await?;
        }
        gate.close(&claims.jti).await
    };
    match closed.await {
        Ok(closure) => answer(&closure),
        Err(error) => refusal(gate, Asked::new(&claims.feed, PATH), &error).await,
    }
}

/// 202 while something is under way, else 200.
pub(super) fn answer(closure: &Closure) -> Answer {
    let status = match closure.stage {
        Stage::Closing | Stage::Refunding => StatusCode::ACCEPTED,
        Stage::Refunded | Stage::Closed => StatusCode::OK,
    };
    let refund = closure.refund.as_ref().map(shown);
    let body = json!({ "jti": closure.jti, "state": closure.stage.as_str(), "refund": refund });
    let mut answer = json(status, &body);
    if status == StatusCode::ACCEPTED {
        answer.headers_mut().insert(RETRY_AFTER, http::HeaderValue::from_static("2"));
    }
    answer
}

/// A refund as its payer may see it; amounts in atomic units, as text.
pub(super) fn shown(refund: &Refund) -> Value {
    let last = refund.attempts.last().map(|attempt| attempt.tx.as_str());
    let (state, transaction) = match &refund.fate {
        RefundFate::Pending => ("pending", last),
        RefundFate::Paid(landing) => ("paid", Some(landing.tx.as_str())),
        RefundFate::Nothing => ("nothing", None),
    };
    json!({
        "number": refund.order.number,
        "state": state,
        "units": refund.order.units,
        "amount": refund.order.amount(),
        "gas": refund.order.gas,
        "network": refund.order.network,
        "to": refund.order.to,
        "transaction": transaction,
    })
}
