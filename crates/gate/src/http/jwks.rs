//! `GET /.well-known/jwks.json`: the public keys of session and stream tokens.

use super::answer::{Answer, of_type};
use crate::gate::Gate;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};

pub(super) fn get(gate: &Gate) -> Answer {
    let mut answer = of_type(StatusCode::OK, "application/jwk-set+json", gate.keys().jwks.clone());
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    answer
}
