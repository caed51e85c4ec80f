//! Why an upgrade is refused, and the answer that says so.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LINK, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use serde::Serialize;

/// RFC 9449 section 7.1: a bound token as if it were a bearer's, and a proof that does not hold.
const BOUND: &str = r#"DPoP error="invalid_token", algs="EdDSA ES256""#;
const UNPROVEN: &str = r#"DPoP error="invalid_dpop_proof", algs="EdDSA ES256""#;

/// Why a request is not admitted. Every reason has one HTTP status; no text carries a byte of a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// 400: more than one token, or one in the query and one in the header.
    #[error("send one token: either ?token= or Authorization: Bearer")]
    Ambiguous,
    /// 401: no token where only our proxy's stream tokens are taken. Paying cannot help here: the agent must
    /// connect to the proxy.
    #[error("no stream token: connect through the facilitator")]
    Missing,
    /// 402: no token; a session is sold at this URL.
    #[error("no session token: buy a session at {session_url}")]
    PaymentRequired {
        /// The facilitator's pre-auth route of the feed.
        session_url: String,
    },
    /// 401 or 403, as [`tollwire_session::Error::http_status`] says: the token does not admit.
    #[error(transparent)]
    Token(#[from] tollwire_session::Error),
    /// 401: the token is bound to a DPoP key, and came without a proof that could be checked: alone it is of no use.
    #[error(
        "the token is bound to a key: send it as Authorization: DPoP, with a DPoP proof, where proofs are checked"
    )]
    ProofRequired,
    /// 401: the DPoP proof that came with the token does not hold.
    #[error(transparent)]
    Proof(#[from] tollwire_session::dpop::Error),
    /// 401: this DPoP proof has been accepted before.
    #[error("the DPoP proof has been used; make one for each request")]
    ProofReplayed,
    /// 401: a DPoP proof came with a token that is bound to no key.
    #[error("the token is bound to no key: send it as Authorization: Bearer")]
    NotBound,
    /// 401: this stream token has been accepted before.
    #[error("the stream token has been used")]
    Replayed,
    /// 503: more streams open than this verifier can remember; try again in a moment.
    #[error("too many streams are opening")]
    Busy,
    /// 500: [`install`](crate::install) was not called.
    #[error("no verifier is installed")]
    NotInstalled,
}

impl VerifyError {
    /// The HTTP status of the refusal.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Ambiguous => StatusCode::BAD_REQUEST,
            Self::Missing
            | Self::ProofRequired
            | Self::Proof(_)
            | Self::ProofReplayed
            | Self::NotBound
            | Self::Replayed => StatusCode::UNAUTHORIZED,
            Self::PaymentRequired { .. } => StatusCode::PAYMENT_REQUIRED,
            Self::Token(error) => {
                StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::UNAUTHORIZED)
            }
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotInstalled => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// A stable name for logs and for the answer's `code`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ambiguous => "ambiguous",
            Self::Missing => "missing",
            Self::PaymentRequired { .. } => "payment_required",
            Self::Token(error) => error.name(),
            Self::ProofRequired => "proof_required",
            Self::Proof(error) => error.name(),
            Self::ProofReplayed => "proof_replayed",
            Self::NotBound => "not_bound",
            Self::Replayed => "replayed",
            Self::Busy => "busy",
            Self::NotInstalled => "not_installed",
        }
    }

    /// The whole refusal as `application/problem+json` (RFC 9457), with `WWW-Authenticate`, `Link` or `Retry-After`
    /// where the status calls for it.
    pub fn response(&self) -> Response<Bytes> {
        let status = self.status();
        let mut response = problem(status, self.name(), &self.to_string());
        let headers = response.headers_mut();
        match self {
            Self::PaymentRequired { session_url } => {
                if let Ok(link) = HeaderValue::try_from(format!("<{session_url}>; rel=\"payment\"")) {
                    headers.insert(LINK, link);
                }
            }
            Self::Busy => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Self::Missing => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::ProofRequired => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(BOUND));
            }
            Self::Proof(_) | Self::ProofReplayed => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(UNPROVEN));
            }
            _ if status == StatusCode::UNAUTHORIZED => {
                let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
                headers.insert(WWW_AUTHENTICATE, challenge);
            }
            _ => {}
        }
        response
    }
}

/// An RFC 9457 answer that nobody may cache.
pub(crate) fn problem(status: StatusCode, code: &str, detail: &str) -> Response<Bytes> {
    #[derive(Serialize)]
    struct Problem<'a> {
        r#type: &'static str,
        title: &'static str,
        status: u16,
        detail: &'a str,
        code: &'a str,
    }
    let title = status.canonical_reason().unwrap_or("Error");
    let problem = Problem { r#type: "about:blank", title, status: status.as_u16(), detail, code };
    let mut response = Response::new(serde_json::to_vec(&problem).map(Bytes::from).unwrap_or_default());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
