//! `/admin/payouts`: what providers were paid (GET), and paying them now (POST).

use crate::error::Error;
use crate::gate::Gate;
use crate::http::answer::{Answer, Problem, json};
use crate::http::credentials::parameter;
use crate::statements;
use http::StatusCode;
use http::request::Parts;
use serde_json::json;
use tollwire_settlement::books::payouts;
use tollwire_x402::Usdc;

pub(super) async fn list(gate: &Gate) -> Result<Answer, Error> {
    let rows = payouts(gate.ledger.as_ref()).await?;
    Ok(json(StatusCode::OK, &json!({ "payouts": statements::payouts(&rows) })))
}

/// Makes a round now, whatever the schedule says; `?threshold=` in dollars takes the place of the configured one.
pub(super) async fn run(gate: &Gate, parts: &Parts) -> Result<Answer, Error> {
    let threshold = match parameter(parts, "threshold")? {
        Some(text) => {
            let malformed = |_| Error::malformed("threshold", "write dollars, such as 10.00");
            Some(text.parse::<Usdc>().map_err(malformed)?)
        }
        None => None,
    };
    let Some(round) = gate.settler.pay_providers(threshold).await.map_err(Error::Payout)? else {
        let why = "a round of payouts is being made already; ask again";
        return Ok(Problem::new(StatusCode::CONFLICT, "payouts-running", why).into_answer());
    };
    Ok(json(StatusCode::OK, &statements::round(&round)))
}
