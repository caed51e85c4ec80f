//! Why a request was not admitted, as an answer.

use crate::VerifyError;
use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use std::fmt;

/// A refusal by its status. It answers as `application/problem+json` (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// 400: tokens in two places.
    BadRequest(VerifyError),
    /// 401: no token, or one that proves nothing here.
    Unauthorized(VerifyError),
    /// 402: no session token; a session can be bought.
    PaymentRequired(VerifyError),
    /// 403: a genuine token that does not admit.
    Forbidden(VerifyError),
    /// 503: try again in a moment.
    Unavailable(VerifyError),
    /// 500: set up wrongly.
    Internal(VerifyError),
}

impl Rejection {
    /// The reason.
    pub fn reason(&self) -> &VerifyError {
        match self {
            Self::BadRequest(reason)
            | Self::Unauthorized(reason)
            | Self::PaymentRequired(reason)
            | Self::Forbidden(reason)
            | Self::Unavailable(reason)
            | Self::Internal(reason) => reason,
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.reason().status()
    }
}

impl From<VerifyError> for Rejection {
    fn from(reason: VerifyError) -> Self {
        match reason.status() {
            StatusCode::BAD_REQUEST => Self::BadRequest(reason),
            StatusCode::UNAUTHORIZED => Self::Unauthorized(reason),
            StatusCode::PAYMENT_REQUIRED => Self::PaymentRequired(reason),
            StatusCode::FORBIDDEN => Self::Forbidden(reason),
            StatusCode::SERVICE_UNAVAILABLE => Self::Unavailable(reason),
            _ => Self::Internal(reason),
        }
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        self.reason().response().map(Body::from)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason().fmt(f)
    }
}

impl std::error::Error for Rejection {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.reason())
    }
}
