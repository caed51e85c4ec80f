//! `GET /admin/ledger`: the books by feed. `GET /admin/ledger/balance`: the books in double entry, beside what the chains
//! say.

use crate::error::Error;
use crate::gate::Gate;
use crate::http::answer::{Answer, json};
use crate::statements;
use http::StatusCode;
use tollwire_settlement::books::trial_balance;

pub(super) async fn report(gate: &Gate) -> Result<Answer, Error> {
    Ok(json(StatusCode::OK, &gate.report().await?))
}

pub(super) async fn balance(gate: &Gate) -> Result<Answer, Error> {
    let books = trial_balance(gate.ledger.as_ref(), gate.settler.payout_terms()).await?;
    Ok(json(StatusCode::OK, &statements::balance(&books, &gate.settler.covers().await)))
}
