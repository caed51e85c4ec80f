//! What is answered instead of what was asked for.

use crate::store::StoreError;
use std::time::Duration;
use tollwire_asp::{Code, Refusal, Refused};
use tollwire_x402::close::CloseCode;

/// Why something is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) code: Code,
    pub(crate) why: String,
    /// The number that [`Code::HistoryTruncated`] tells.
    pub(crate) first: Option<u64>,
    /// When it would be done.
    pub(crate) again: Option<Duration>,
}

impl Failed {
    pub(crate) fn new(code: Code, why: impl Into<String>) -> Self {
        Self { code, why: why.into(), first: None, again: None }
    }

    /// Of somebody who takes no part.
    pub(crate) fn stranger() -> Self {
        Self::new(Code::Forbidden, "you take no part in this session")
    }

    /// What became of it is not known.
    pub(crate) fn unanswered() -> Self {
        Self::new(
            Code::InternalError,
            "the store did not answer; the same id again finds out what became of it",
        )
    }

    /// Too much at once.
    pub(crate) fn limited(wait: Duration) -> Self {
        let why = format!("again in {} ms", wait.as_millis());
        Self { again: Some(wait), ..Self::new(Code::RateLimited, why) }
    }

    /// How a connection ends by it, if it does.
    pub(crate) const fn close(&self) -> Option<CloseCode> {
        Some(match self.code {
            Code::AuthFailed
            | Code::AuthRequired
            | Code::TokenExpired
            | Code::DpopInvalid
            | Code::DpopReplayed => CloseCode::Unauthorized,
            Code::Forbidden => CloseCode::Forbidden,
            Code::SessionNotFound => CloseCode::SessionNotFound,
            Code::SequenceAhead => CloseCode::PolicyViolation,
            _ => return None,
        })
    }
}

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Self {
        Self::new(refused.code, refused.why)
    }
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code(), refusal.to_string())
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "the store of agent sessions did not answer");
        Self::unanswered()
    }
}
