//! `GET /admin/overview`: the books, what is live, who earned where, and sums over time.

use crate::error::Error;
use crate::gate::Gate;
use crate::http::answer::{Answer, json};
use crate::overview::Overview;
use crate::rfc3339;
use http::StatusCode;
use serde::Serialize;

/// The books, with the moment they are of.
#[derive(Serialize)]
struct Shown<'a> {
    at: String,
    at_millis: u64,
    draining: bool,
    #[serde(flatten)]
    overview: &'a Overview,
}

pub(super) async fn show(gate: &Gate) -> Result<Answer, Error> {
    let overview = gate.overview().await?;
    let at = rfc3339::millis(overview.at);
    let at_millis = overview.at.millis();
    Ok(json(StatusCode::OK, &Shown { at, at_millis, draining: gate.is_draining(), overview: &overview }))
}
