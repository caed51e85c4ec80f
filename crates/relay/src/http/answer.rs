//! Answers of our own: the gate's.

use http::StatusCode;

pub use tollwire_gate::http::Answer;

pub(crate) use tollwire_gate::http::{Problem, json, of_type};

/// 404.
pub(crate) fn nothing_here() -> Answer {
    Problem::new(StatusCode::NOT_FOUND, "not-found", "nothing is served here").into_answer()
}
