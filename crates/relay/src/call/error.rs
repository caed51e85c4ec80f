//! Why a call has no answer of its API's.

use http::StatusCode;
use serde_json::{Value, json};

/// A call that the broker answers itself. An API's own answer, whatever its status, is none of these.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The envelope, or a part of it, is not as it must be.
    #[error("{field}: {rule}")]
    Malformed {
        /// Which part.
        field: &'static str,
        /// What would be right.
        rule: &'static str,
    },
    /// No API of this id is registered.
    #[error("unknown API")]
    UnknownApi,
    /// The request's body is over the limit.
    #[error("request body over {0} bytes")]
    TooLarge(usize),
    /// Too many calls are in flight.
    #[error("too many calls in flight")]
    Busy,
    /// The broker is about to stop.
    #[error("draining: connect again")]
    Draining,
    /// The API cannot be reached, or broke off.
    #[error("Relay proxy error: {0}")]
    Upstream(&'static str),
    /// The API did not answer in time.
    #[error("the API did not answer in time")]
    Timeout,
    /// A payment was sent, and the API did not answer, or not to the end: it may have been settled.
    #[error("settlement_unknown")]
    SettlementUnknown,
    /// The payment was presented for another call.
    #[error("payment already used for another request")]
    PaymentReused,
    /// The payment's own name (`payment-identifier`) is another payment's.
    #[error("payment-identifier already used for another payment")]
    IdentifierReused,
    /// The payment was settled, and nothing shows that its payer asks.
    #[error(
        "show the quote that the payment was made with, the Tollwire-Claim it was sent with, or answer the challenge"
    )]
    ProofRequired(
        /// The `sign-in-with-x` extension, with a challenge for the payer's wallet.
        Box<Value>,
    ),
    /// The session token does not admit, or its account serves nothing any more.
    #[error("session token refused: {0}")]
    AccountRefused(String),
    /// The facilitator does not answer; the payment was not taken.
    #[error("payments cannot be taken now; send the same payment again")]
    CannotBePaid,
    /// The broker's store does not answer.
    #[error("the broker's store does not answer; send the same payment again")]
    StoreUnavailable,
    /// The agent took the call back.
    #[error("cancelled")]
    Cancelled,
}

impl CallError {
    pub(crate) const fn malformed(field: &'static str, rule: &'static str) -> Self {
        Self::Malformed { field, rule }
    }

    /// The code in `error.code`; over HTTP the status.
    pub const fn code(&self) -> u16 {
        match self {
            Self::Malformed { .. } => 400,
            Self::ProofRequired(_) | Self::AccountRefused(_) => 401,
            Self::UnknownApi => 404,
            Self::PaymentReused | Self::IdentifierReused => 409,
            Self::TooLarge(_) => 413,
            Self::Busy => 429,
            Self::Cancelled => 499,
            Self::Upstream(_) => 502,
            Self::Draining | Self::CannotBePaid | Self::StoreUnavailable => 503,
            Self::Timeout | Self::SettlementUnknown => 504,
        }
    }

    /// The same as an HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Whether the same payment, sent again, is the way on.
    pub(crate) const fn wants_same_payment(&self) -> bool {
        matches!(self, Self::SettlementUnknown | Self::CannotBePaid | Self::StoreUnavailable)
    }

    /// What a program can go on with.
    pub(crate) fn hint(&self) -> Option<(&'static str, Value)> {
        match self {
            Self::ProofRequired(extensions) => Some(("extensions", (**extensions).clone())),
            _ => self.wants_same_payment().then(|| ("retry", json!("same-payment"))),
        }
    }

    /// The last part of the problem's `type`, over HTTP.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "malformed",
            Self::UnknownApi => "unknown-api",
            Self::TooLarge(_) => "too-large",
            Self::Busy => "too-many-calls",
            Self::Cancelled => "cancelled",
            Self::Upstream(_) => "upstream",
            Self::Draining => "draining",
            Self::Timeout => "upstream-timeout",
            Self::SettlementUnknown => "settlement-unknown",
            Self::PaymentReused => "payment-reused",
            Self::IdentifierReused => "payment-identifier-conflict",
            Self::ProofRequired(_) => "proof-required",
            Self::AccountRefused(_) => "account-refused",
            Self::CannotBePaid => "facilitator-unavailable",
            Self::StoreUnavailable => "store-unavailable",
        }
    }
}
