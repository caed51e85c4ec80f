//! `GET /session`: the online check of a session token.

use super::answer::{Answer, json};
use super::credentials::required;
use super::problem::problem;
use crate::error::Error;
use crate::gate::Gate;
use crate::view::SessionView;
use http::StatusCode;
use http::request::Parts;

pub(super) async fn get(gate: &Gate, parts: &Parts) -> Answer {
    match view(gate, parts).await {
        Ok(view) => json(StatusCode::OK, &view),
        Err(error) => problem(&error).into_answer(),
    }
}

async fn view(gate: &Gate, parts: &Parts) -> Result<SessionView, Error> {
    let claims = gate.holder(parts, "/session", &required(&parts.headers)?).await?;
    gate.session_view(&claims).await
}
