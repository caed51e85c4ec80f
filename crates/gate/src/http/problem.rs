//! Which status and which problem each refusal is.

use super::answer::Problem;
use crate::error::Error;
use crate::feed::FeedError;
use http::StatusCode;
use http::header::WWW_AUTHENTICATE;
use tollwire_proxy::OpenError;
use tollwire_session::Error as TokenError;
use tollwire_settlement::{ChainError, SettleError};

/// The problem for a refusal. The ones a payment can cure become bills elsewhere ([`super::bill`]).
pub(crate) fn problem(error: &Error) -> Problem {
    let (status, kind) = status(error);
    // A paused feed is no failure of ours.
    if status.is_server_error() && !matches!(error, Error::FeedPaused) {
        tracing::warn!(kind, %error, "request failed");
    }
    let problem = Problem::new(status, kind, public_detail(error)).retry_after(error.retry_after());
    match error {
        Error::TokenMissing => problem.header(WWW_AUTHENTICATE, "Bearer"),
        Error::TokenBound => problem.header(WWW_AUTHENTICATE, &by_key("invalid_token")),
        Error::Proof(_) | Error::ProofUsed => problem.header(WWW_AUTHENTICATE, &by_key("invalid_dpop_proof")),
        Error::ProofRequired | Error::SignIn(_) => problem.header(WWW_AUTHENTICATE, "SIGN-IN-WITH-X"),
        Error::Open(open) if status != StatusCode::UNAUTHORIZED => problem.headers(open.headers()),
        _ if status == StatusCode::UNAUTHORIZED => {
            problem.header(WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")
        }
        _ => problem,
    }
}

fn status(error: &Error) -> (StatusCode, &'static str) {
    match error {
        Error::Malformed { .. } => (StatusCode::BAD_REQUEST, "malformed"),
        Error::UnknownFeed | Error::Feed(FeedError::Unknown) => (StatusCode::NOT_FOUND, "unknown-feed"),
        Error::PaymentRequired => (StatusCode::PAYMENT_REQUIRED, "payment-required"),
        Error::Refused(_) => (StatusCode::PAYMENT_REQUIRED, "payment-refused"),
        Error::Foreign => (StatusCode::CONFLICT, "payment-for-another-purchase"),
        Error::ProofRequired => (StatusCode::UNAUTHORIZED, "proof-required"),
        Error::SignIn(_) => (StatusCode::UNAUTHORIZED, "sign-in-refused"),
        Error::Undecided(_) => (StatusCode::SERVICE_UNAVAILABLE, "settlement-pending"),
        Error::Token(error) => token(error),
        Error::TokenMissing => (StatusCode::UNAUTHORIZED, "token-missing"),
        Error::TokenBound => (StatusCode::UNAUTHORIZED, "token-bound"),
        Error::TokenNotBound => (StatusCode::UNAUTHORIZED, "token-not-bound"),
        Error::Proof(_) => (StatusCode::UNAUTHORIZED, "dpop-proof-invalid"),
        Error::ProofUsed => (StatusCode::UNAUTHORIZED, "dpop-proof-used"),
        Error::KeyRequired => (StatusCode::BAD_REQUEST, "dpop-proof-required"),
        Error::FeedPaused => (StatusCode::SERVICE_UNAVAILABLE, "feed-paused"),
        Error::NotForSale(_) => (StatusCode::CONFLICT, "not-for-sale"),
        Error::SessionUnknown => (StatusCode::UNAUTHORIZED, "session-unknown"),
        Error::SessionRevoked => (StatusCode::UNAUTHORIZED, "session-revoked"),
        Error::SessionClosed => (StatusCode::UNAUTHORIZED, "session-closed"),
        Error::SessionOpen => (StatusCode::CONFLICT, "session-open"),
        Error::Refund(_) => (StatusCode::SERVICE_UNAVAILABLE, "refund-unavailable"),
        Error::Payout(_) => (StatusCode::SERVICE_UNAVAILABLE, "payout-unavailable"),
        Error::BalanceExpired => (StatusCode::FORBIDDEN, "balance-expired"),
        Error::Open(error) => (error.status(), error.kind()),
        Error::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "store-unavailable"),
        Error::Busy => (StatusCode::TOO_MANY_REQUESTS, "too-many-requests"),
        Error::Random => (StatusCode::SERVICE_UNAVAILABLE, "internal"),
        Error::Feed(FeedError::Exists) => (StatusCode::CONFLICT, "feed-exists"),
        Error::FeedStore(_) => (StatusCode::SERVICE_UNAVAILABLE, "feed-store"),
        Error::Feed(_) => (StatusCode::UNPROCESSABLE_ENTITY, "feed-invalid"),
    }
}

/// The challenge of RFC 9449 section 7.1.
fn by_key(error: &str) -> String {
    format!("DPoP algs=\"{}\", error=\"{error}\"", tollwire_session::dpop::ALGORITHMS)
}

fn token(error: &TokenError) -> (StatusCode, &'static str) {
    match error.http_status() {
        403 if *error == TokenError::WrongFeed => (StatusCode::FORBIDDEN, "token-for-another-feed"),
        403 if *error == TokenError::Expired => (StatusCode::FORBIDDEN, "token-expired"),
        403 => (StatusCode::FORBIDDEN, "token-not-yet-valid"),
        401 => (StatusCode::UNAUTHORIZED, "token-invalid"),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}

/// What went wrong inside is for the log; outside it reads the same whatever store or node it was.
fn public_detail(error: &Error) -> String {
    match error {
        Error::Store(_) | Error::Open(OpenError::Store(_)) => {
            "the ledger cannot answer now; nothing was given and nothing was taken".into()
        }
        Error::Open(OpenError::Upstream(_)) => {
            "the feed's upstream did not open a stream; nothing was charged".into()
        }
        Error::Refund(SettleError::Chain(ChainError::CannotPay(_))) => {
            "the session is over; this server cannot pay back on its chain: ask its operator".into()
        }
        Error::Refund(_) => "the session is over; what is left cannot be paid back now: ask again".into(),
        Error::Payout(SettleError::Store(_)) => "the ledger cannot answer now; ask again".into(),
        Error::FeedStore(_) => "registered feeds cannot be kept now; nothing was changed".into(),
        Error::Random => "temporarily unable to issue anything".into(),
        other => other.to_string(),
    }
}
