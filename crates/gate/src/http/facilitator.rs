//! `POST /verify`, `POST /settle`, `GET /supported`: the x402 facilitator for plain resource servers.
//!
//! A business refusal is HTTP 200 with the official SDKs' strings; 400 means the request could not be read. Errors
//! carry the members those SDKs look for (`isValid`, `success`) beside the problem's own.

use super::answer::{Answer, Problem, json};
use super::body;
use super::credentials::bearer;
use super::problem::problem;
use crate::customers::{Customers, Denied};
use crate::error::Error;
use crate::gate::Gate;
use bytes::Bytes;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, StatusCode};
use http_body::Body;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::time::Duration;
use tollwire_x402::facilitator::{Facilitator, Failure, RawRequest, Request, SettleResponse, VerifyResponse};
use tollwire_x402::reason;

/// Which of the two calls a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Verify,
    Settle,
}

pub(super) async fn post<B>(gate: &Gate, call: Call, request: http::Request<B>) -> Answer
where
    B: Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let customers = gate.customers();
    let customer = match customer(&customers, request.headers()) {
        Ok(customer) => customer,
        Err(denied) => {
            let (problem, reason) = denial(denied);
            return call.failed(problem, reason);
        }
    };
    let address = request.extensions().get::<IpAddr>().copied();
    let parsed = match body::read(request.into_body()).await {
        Ok(bytes) => parse(&bytes),
        Err(error) => Err(error),
    };
    // Only now: whoever sends slowly holds no pass meanwhile.
    let _pass = match gate.pass(address) {
        Ok(pass) => pass,
        Err(error) => return call.failed(problem(&error), reason::RATE_LIMITED),
    };
    match parsed {
        Ok(Ok(request)) => call.answer(customer, request).await,
        Ok(Err((version, network))) => call.unknown_version(version, network),
        Err(error) => call.failed(problem(&error), reason::INVALID_PAYLOAD),
    }
}

pub(super) async fn supported(gate: &Gate) -> Answer {
    let customers = gate.customers();
    let supported = match customers.any() {
        Some(facilitator) => facilitator.supported().await,
        None => Ok(tollwire_x402::facilitator::Supported::default()),
    };
    match supported {
        Ok(supported) => json(StatusCode::OK, &supported),
        Err(failure) => unavailable(&failure).into_answer(),
    }
}

/// Whose request this is.
pub(super) fn customer<'a>(
    customers: &'a Customers,
    headers: &HeaderMap,
) -> Result<&'a dyn Facilitator, Denied> {
    let key = bearer(headers).map_err(|_| Denied::Unknown)?;
    customers.of(key).map(|facilitator| &**facilitator)
}

/// The problem of a request that is nobody's, and its word for official clients.
pub(super) fn denial(denied: Denied) -> (Problem, &'static str) {
    let unauthorized = |kind, detail: &str, challenge: &str| {
        let problem =
            Problem::new(StatusCode::UNAUTHORIZED, kind, detail).header(WWW_AUTHENTICATE, challenge);
        (problem, reason::UNAUTHORIZED)
    };
    match denied {
        Denied::Missing => {
            unauthorized("key-required", "send your account's key as Authorization: Bearer", "Bearer")
        }
        Denied::Unknown => {
            unauthorized("key-unknown", "no account has this key", "Bearer error=\"invalid_token\"")
        }
        Denied::Suspended => {
            let detail = "this account is suspended; ask the operator";
            let problem = Problem::new(StatusCode::FORBIDDEN, "account-suspended", detail);
            (problem, reason::ACCOUNT_SUSPENDED)
        }
    }
}

/// The request, or the version and network of one in a dialect nobody knows.
fn parse(bytes: &Bytes) -> Result<Result<Request, (u64, String)>, Error> {
    let raw: RawRequest = tollwire_x402::json::read("facilitator request", bytes)?;
    let network = raw.payment_requirements.get("network").and_then(Value::as_str).unwrap_or_default();
    let network = network.to_owned();
    Ok(raw.parse()?.map_err(|version| (version, network)))
}

impl Call {
    async fn answer(self, customer: &dyn Facilitator, request: Request) -> Answer {
        let failure = match self {
            Self::Verify => match customer.verify(request).await {
                Ok(verified) => return json(StatusCode::OK, &verified),
                Err(failure) => failure,
            },
            Self::Settle => match customer.settle(request).await {
                Ok(settled) => return json(StatusCode::OK, &settled),
                Err(failure) => failure,
            },
        };
        let (problem, reason) = self.problem(failure);
        self.failed(problem, reason)
    }

    /// The problem of a failure, and its word for official clients.
    fn problem(self, failure: Failure) -> (Problem, &'static str) {
        match failure {
            Failure::Malformed(detail) => {
                (problem(&Error::malformed("body", detail)), reason::INVALID_PAYLOAD)
            }
            Failure::TooMany { reason, retry_after } => {
                let detail = "too much was asked for; ask again with the same payment when the time has come";
                let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", detail);
                // Whole seconds, rounded up: who comes when told must not be told again.
                let after = retry_after.saturating_add(Duration::from_millis(999));
                (problem.retry_after(Some(after)), reason)
            }
            Failure::Conflict(detail) => {
                let problem = Problem::new(StatusCode::CONFLICT, "payment-identifier-conflict", detail);
                (problem, reason::PAYMENT_IDENTIFIER_CONFLICT)
            }
            Failure::Identifier(detail) => {
                let problem = Problem::new(StatusCode::BAD_REQUEST, "payment-identifier-invalid", detail);
                (problem, reason::PAYMENT_IDENTIFIER_INVALID)
            }
            failure => match self {
                Self::Verify => (unavailable(&failure), reason::UNEXPECTED_VERIFY_ERROR),
                Self::Settle => (unavailable(&failure), reason::UNEXPECTED_SETTLE_ERROR),
            },
        }
    }

    fn unknown_version(self, version: u64, network: String) -> Answer {
        let message = format!("x402 version {version} is not spoken here; use 1 or 2");
        match self {
            Self::Verify => {
                let answer = VerifyResponse::invalid(reason::INVALID_X402_VERSION, message, None);
                json(StatusCode::OK, &answer)
            }
            Self::Settle => json(
                StatusCode::OK,
                &SettleResponse {
                    success: false,
                    error_reason: Some(reason::INVALID_X402_VERSION.to_owned()),
                    error_message: Some(message),
                    payer: None,
                    transaction: String::new(),
                    network,
                    amount: None,
                    extensions: None,
                },
            ),
        }
    }

    /// A problem that official clients also read as a refusal.
    fn failed(self, problem: Problem, reason: &str) -> Answer {
        let problem = match self {
            Self::Verify => problem.with("isValid", json!(false)).with("invalidReason", json!(reason)),
            Self::Settle => problem
                .with("success", json!(false))
                .with("errorReason", json!(reason))
                .with("transaction", json!(""))
                .with("network", json!("")),
        };
        problem.into_answer()
    }
}

pub(super) fn unavailable(failure: &Failure) -> Problem {
    tracing::warn!(%failure, "the facilitator could not answer");
    let detail = "the facilitator cannot answer now; ask again with the same payment";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "facilitator-unavailable", detail)
        .retry_after(Some(Duration::from_secs(2)))
}
