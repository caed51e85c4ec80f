//! Refusals as problems (RFC 9457).

use crate::asp::error::Failed;
use crate::http::{Answer, Problem};
use http::StatusCode;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::json;
use tollwire_asp::Code;
use tollwire_session::dpop::ALGORITHMS;

/// A problem with its code as HTTP bindings write it.
pub(in crate::asp) fn refused(failed: &Failed) -> Answer {
    let (status, code) = match failed.code {
        Code::AuthRequired => (StatusCode::UNAUTHORIZED, "AUTH_REQUIRED"),
        Code::AuthFailed => (StatusCode::UNAUTHORIZED, "AUTH_INVALID"),
        Code::TokenExpired => (StatusCode::UNAUTHORIZED, "TOKEN_EXPIRED"),
        Code::DpopInvalid => (StatusCode::UNAUTHORIZED, "DPOP_INVALID"),
        Code::DpopReplayed => (StatusCode::UNAUTHORIZED, "DPOP_REPLAYED"),
        Code::Forbidden => (StatusCode::FORBIDDEN, "FORBIDDEN"),
        Code::ForbiddenPerformative => (StatusCode::FORBIDDEN, "FORBIDDEN_PERFORMATIVE"),
        Code::InsufficientTrustScore => (StatusCode::FORBIDDEN, "INSUFFICIENT_TRUST_SCORE"),
        Code::SessionNotFound => (StatusCode::NOT_FOUND, "SESSION_NOT_FOUND"),
        Code::PayloadTooLarge => (StatusCode::BAD_REQUEST, "PAYLOAD_TOO_LARGE"),
        Code::UnsupportedVersion => (StatusCode::UNPROCESSABLE_ENTITY, "UNSUPPORTED_VERSION"),
        Code::InvalidStateTransition => (StatusCode::CONFLICT, "INVALID_STATE_TRANSITION"),
        Code::SessionClosed => (StatusCode::CONFLICT, "SESSION_CLOSED"),
        Code::SequenceAhead => (StatusCode::CONFLICT, "SEQUENCE_AHEAD"),
        Code::HashChainError => (StatusCode::CONFLICT, "HASH_CHAIN_ERROR"),
        Code::IdempotencyConflict => (StatusCode::CONFLICT, "IDEMPOTENCY_CONFLICT"),
        Code::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED"),
        Code::InternalError => (StatusCode::SERVICE_UNAVAILABLE, "INTERNAL_ERROR"),
        _ => (StatusCode::UNPROCESSABLE_ENTITY, "VALIDATION_ERROR"),
    };
    let problem = Problem::new(status, failed.code.as_str(), failed.why.clone()).with("code", json!(code));
    let problem = match failed.again {
        // In whole seconds, and not too early.
        Some(again) => problem.header(RETRY_AFTER, &again.as_millis().div_ceil(1_000).to_string()),
        None => problem,
    };
    let mut answer = problem.into_answer();
    if status == StatusCode::UNAUTHORIZED
        && let Ok(challenge) = format!("DPoP algs=\"{ALGORITHMS}\"").parse()
    {
        answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    answer
}

/// No agent of this name says what it can do.
pub(super) fn no_agent() -> Answer {
    Problem::new(StatusCode::NOT_FOUND, "agent-not-found", "no agent of this name says what it can do")
        .with("code", json!("AGENT_NOT_FOUND"))
        .into_answer()
}

/// A session has no message of this name, or not any more.
pub(super) fn no_message() -> Answer {
    Problem::new(
        StatusCode::NOT_FOUND,
        "message-not-found",
        "the session has no such message, or not any more",
    )
    .with("code", json!("MESSAGE_NOT_FOUND"))
    .into_answer()
}
