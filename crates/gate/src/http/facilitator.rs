//! `POST /verify`, `POST /settle`, `GET /supported`: the x402 facilitator for plain resource servers.
//!
//! A business refusal is HTTP 200 with the official SDKs' strings; 400 means the request could not be read. Errors
//! carry the members those SDKs look for (`isValid`, `success`) beside the problem's own.

use super::answer::{Answer, Problem, json};
use super::body;
use super::problem::problem;
use crate::error::Error;
use crate::gate::Gate;
use bytes::Bytes;
use http::StatusCode;
use http_body::Body;
use serde_json::{Value, json};
use std::net::IpAddr;
use tollwire_x402::facilitator::{Failure, RawRequest, Request, SettleResponse, VerifyResponse};
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
    let address = request.extensions().get::<IpAddr>().copied();
    let parsed = match body::read(request.into_body()).await {
        Ok(bytes) => parse(&bytes),
        Err(error) => Err(error),
    };
    // Only now: whoever sends slowly holds no pass meanwhile.
    let _pass = match gate.pass(address) {
        Ok(pass) => pass,
        Err(error) => return call.failed(problem(&error), reason::UNEXPECTED_VERIFY_ERROR),
    };
    match parsed {
        Ok(Ok(request)) => call.answer(gate, request).await,
        Ok(Err((version, network))) => call.unknown_version(version, network),
        Err(error) => call.failed(problem(&error), reason::INVALID_PAYLOAD),
    }
}

pub(super) async fn supported(gate: &Gate) -> Answer {
    match gate.facilitator.supported().await {
        Ok(supported) => json(StatusCode::OK, &supported),
        Err(failure) => unavailable(&failure).into_answer(),
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
    async fn answer(self, gate: &Gate, request: Request) -> Answer {
        let failure = match self {
            Self::Verify => match gate.facilitator.verify(request).await {
                Ok(verified) => return json(StatusCode::OK, &verified),
                Err(failure) => failure,
            },
            Self::Settle => match gate.facilitator.settle(request).await {
                Ok(settled) => return json(StatusCode::OK, &settled),
                Err(failure) => failure,
            },
        };
        if let Failure::Malformed(detail) = failure {
            let error = Error::malformed("body", detail);
            return self.failed(problem(&error), reason::INVALID_PAYLOAD);
        }
        let reason = match self {
            Self::Verify => reason::UNEXPECTED_VERIFY_ERROR,
            Self::Settle => reason::UNEXPECTED_SETTLE_ERROR,
        };
        self.failed(unavailable(&failure), reason)
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

fn unavailable(failure: &Failure) -> Problem {
    tracing::warn!(%failure, "the facilitator could not answer");
    let detail = "the facilitator cannot answer now; ask again with the same payment";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "facilitator-unavailable", detail)
        .retry_after(Some(std::time::Duration::from_secs(2)))
}
