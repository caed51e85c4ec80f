//! `GET /session/receipt`: what a session bought and used, signed.

use super::answer::{Answer, json};
use super::credentials::required;
use super::problem::problem;
use super::route::RECEIPT;
use crate::error::Error;
use crate::gate::Gate;
use http::StatusCode;
use http::request::Parts;
use serde_json::json;

pub(super) async fn get(gate: &Gate, parts: &Parts) -> Answer {
    match receipt(gate, parts).await {
        Ok(receipt) => json(StatusCode::OK, &json!({ "receipt": receipt })),
        Err(error) => problem(&error).into_answer(),
    }
}

/// Also of a session that is over: what was used was used.
async fn receipt(gate: &Gate, parts: &Parts) -> Result<String, Error> {
    let claims = gate.holder(parts, RECEIPT, &required(&parts.headers)?).await?;
    let session = gate.ledger.session(&claims.jti).await?.ok_or(Error::SessionUnknown)?;
    gate.receipt(&claims.jti, &session)
}
