//! `GET /admin/ledger`: the books.

use crate::error::Error;
use crate::gate::Gate;
use crate::http::answer::{Answer, json};
use http::StatusCode;

pub(super) async fn report(gate: &Gate) -> Result<Answer, Error> {
    Ok(json(StatusCode::OK, &gate.report().await?))
}
