//! `GET /session`: the online check of a session token.

use super::answer::{Answer, json};
use super::credentials::bearer;
use super::problem::problem;
use crate::error::Error;
use crate::gate::Gate;
use http::StatusCode;
use http::request::Parts;

pub(super) async fn get(gate: &Gate, parts: &Parts) -> Answer {
    let token = bearer(&parts.headers).and_then(|token| token.ok_or(Error::TokenMissing));
    let view = match token {
        Ok(token) => gate.session_view(token).await,
        Err(error) => Err(error),
    };
    match view {
        Ok(view) => json(StatusCode::OK, &view),
        Err(error) => problem(&error).into_answer(),
    }
}
