//! Answers of our own: the gate's.

use http::StatusCode;
use http::header::ALLOW;

pub use tollwire_gate::http::Answer;

pub(crate) use tollwire_gate::http::{Problem, json, of_type};

/// 405: the path takes these methods, and not the one that was used.
pub(crate) fn not_with(allowed: &str) -> Answer {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "this path takes other methods")
        .header(ALLOW, allowed)
        .into_answer()
}

/// 404.
pub(crate) fn nothing_here() -> Answer {
    Problem::new(StatusCode::NOT_FOUND, "not-found", "nothing is served here").into_answer()
}
