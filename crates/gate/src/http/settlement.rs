//! `GET /settle/{network}/{transaction}`: what became of a settlement; the same by the payment's own identity,
//! `GET /settle/{network}/{asset}/{payer}/{nonce}` on EVM chains.

use super::answer::{Answer, Problem, json};
use super::facilitator::{customer, denial};
use super::problem::problem;
use crate::gate::Gate;
use crate::settlements::Settlement;
use http::StatusCode;
use http::request::Parts;
use serde_json::json;
use std::net::IpAddr;
use tollwire_x402::Network;

pub(super) async fn get(gate: &Gate, network: Network, name: &str, parts: &Parts) -> Answer {
    if let Err(denied) = customer(&gate.customers(), &parts.headers) {
        return denial(denied).0.into_answer();
    }
    let _pass = match gate.pass(parts.extensions.get::<IpAddr>().copied()) {
        Ok(pass) => pass,
        Err(error) => return problem(&error).into_answer(),
    };
    let found = match gate.settlements(network, name).await {
        Ok(found) => found,
        Err(error) => return problem(&error).into_answer(),
    };
    // Of several payments in one transaction, the one that is least far.
    let Some(status) = found.iter().map(|settlement: &Settlement| settlement.status).min() else {
        let detail =
            "no such transaction or payment was settled here; a payment that was refused leaves no trace";
        return Problem::new(StatusCode::NOT_FOUND, "unknown-settlement", detail)
            .with("status", json!("unknown"))
            .with("network", json!(network.to_string()))
            .into_answer();
    };
    json(StatusCode::OK, &json!({ "status": status, "network": network.to_string(), "payments": found }))
}
