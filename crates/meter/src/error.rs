//! Why a stream gets no unit.

use tollwire_ledger::{Error, Outcome};
use tollwire_x402::close::CloseCode;

/// Why a stream was not opened, or not charged. Nothing was taken, whatever the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No unit is left: pay, then open again.
    #[error("no unit is left")]
    Exhausted {
        /// Whether other streams hold units that may come back: then retrying can help.
        held_elsewhere: bool,
    },
    /// The session has as many streams open as it may: close one, or retry later.
    #[error("the session has too many streams open")]
    TooMany,
    /// The balance's life is over.
    #[error("the session's balance has expired")]
    Expired,
    /// The session was revoked.
    #[error("the session was revoked")]
    Revoked,
    /// The session was ended by its payer or an operator.
    #[error("the session was closed")]
    Closed,
    /// The ledger knows no such session.
    #[error("no such session")]
    Unknown,
    /// The stream id was used before, longer ago than it may be re-opened, or a newer open took it over just now: take
    /// another id.
    #[error("this stream id was used before; open with a new one")]
    Conflict,
    /// What was held went back before it could be charged: retry.
    #[error("the hold lapsed before the stream was open")]
    Lapsed,
    /// The ledger could not answer: retry.
    #[error(transparent)]
    Store(#[from] Error),
    /// The ledger gave an answer that does not fit; the log says which.
    #[error("internal error")]
    Internal,
}

/// A refusal, from the ledger's.
pub(crate) fn refused(outcome: &Outcome) -> Refusal {
    match outcome {
        Outcome::Exhausted { held_elsewhere } => Refusal::Exhausted { held_elsewhere: *held_elsewhere },
        Outcome::TooMany => Refusal::TooMany,
        Outcome::Expired => Refusal::Expired,
        Outcome::Revoked => Refusal::Revoked,
        Outcome::Closed => Refusal::Closed,
        Outcome::Unknown => Refusal::Unknown,
        Outcome::Conflict | Outcome::Fenced => Refusal::Conflict,
        Outcome::Lapsed => Refusal::Lapsed,
        Outcome::Done(_) | Outcome::Replayed(_) | Outcome::Held { .. } | Outcome::Foreign => {
            tracing::error!(?outcome, "the ledger gave an answer that does not fit an open");
            Refusal::Internal
        }
    }
}

/// A live stream's end, from the ledger's refusal.
pub(crate) fn over(outcome: &Outcome) -> CloseCode {
    match outcome {
        Outcome::Exhausted { .. } => CloseCode::Exhausted,
        Outcome::Expired | Outcome::Revoked => CloseCode::Unauthorized,
        Outcome::Closed => CloseCode::SessionClosed,
        Outcome::Fenced => CloseCode::Replaced,
        Outcome::Unknown => CloseCode::SessionNotFound,
        _ => CloseCode::Internal,
    }
}
