//! A client of any x402 facilitator.

use crate::endpoint::Endpoint;
use crate::http_client::{Answer, HttpClient, request};
use crate::payment::secret;
use crate::{Config, Error};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use serde::de::DeserializeOwned;
use std::fmt;
use tollwire_x402::facilitator::{
    BoxFuture, Facilitator, Failure, Request, SettleResponse, Supported, VerifyResponse,
};
use tollwire_x402::{json, reason};

/// A facilitator behind HTTP: ours or anybody's.
pub struct HttpFacilitator {
    http: HttpClient,
    verify: Endpoint,
    settle: Endpoint,
    supported: Endpoint,
    authorization: Option<HeaderValue>,
}

impl HttpFacilitator {
    /// A facilitator at a base address, such as `https://facilitator.example`. Of the configuration only waits,
    /// tries and TLS matter.
    pub fn new(base_url: &str, config: &Config) -> Result<Self, Error> {
        let base = base_url.trim_end_matches('/');
        let endpoint = |path: &str| Endpoint::http(&format!("{base}{path}"), config.allow_plain);
        Ok(Self {
            http: HttpClient::new(config)?,
            verify: endpoint("/verify")?,
            settle: endpoint("/settle")?,
            supported: endpoint("/supported")?,
            authorization: None,
        })
    }

    /// Sends `Authorization: Bearer` with every request.
    pub fn with_bearer(mut self, token: &str) -> Result<Self, Error> {
        self.authorization = Some(secret(&format!("Bearer {token}"))?);
        Ok(self)
    }

    async fn call(&self, endpoint: &Endpoint, body: Option<&Request>) -> Result<Answer, Failure> {
        let (method, body) = match body {
            Some(body) => (Method::POST, encode(body)?),
            None => (Method::GET, Vec::new()),
        };
        let mut request =
            request(method, endpoint, body).map_err(|error| Failure::Malformed(error.to_string()))?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        self.http.send(request).await.map_err(|error| Failure::Unreachable(error.to_string()))
    }
}

fn encode(request: &Request) -> Result<Vec<u8>, Failure> {
    request
        .to_raw()
        .and_then(|raw| {
            serde_json::to_vec(&raw)
                .map_err(|_| tollwire_x402::Error::Json { message: "facilitator request" })
        })
        .map_err(|error| Failure::Malformed(error.to_string()))
}

/// Reads an answer of the protocol. Some facilitators put refusals under 4xx; what comes under 5xx says nothing
/// about the payment.
fn read<T: DeserializeOwned>(message: &'static str, answer: &Answer) -> Result<T, Failure> {
    let status = answer.status;
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Err(Failure::Unreachable(format!("status {status}")));
    }
    if status == StatusCode::BAD_REQUEST {
        return Err(Failure::Malformed("the facilitator could not read it (status 400)".into()));
    }
    json::read(message, &answer.body).map_err(|error| Failure::Protocol(format!("status {status}: {error}")))
}

/// `settlement_pending`, which one large facilitator answers under 500.
fn pending(answer: &Answer) -> Option<SettleResponse> {
    let settled: SettleResponse = json::read("SettleResponse", &answer.body).ok()?;
    let pending = !settled.success && settled.error_reason.as_deref() == Some(reason::SETTLEMENT_PENDING);
    pending.then_some(settled)
}

impl Facilitator for HttpFacilitator {
    fn verify(&self, request: Request) -> BoxFuture<'_, Result<VerifyResponse, Failure>> {
        Box::pin(async move {
            let answer = self.call(&self.verify, Some(&request)).await?;
            let verified: VerifyResponse = read("VerifyResponse", &answer)?;
            match answer.status {
                status if status.is_success() || !verified.is_valid => Ok(verified),
                status => Err(Failure::Protocol(format!("valid, but status {status}"))),
            }
        })
    }

    fn settle(&self, request: Request) -> BoxFuture<'_, Result<SettleResponse, Failure>> {
        Box::pin(async move {
            let answer = self.call(&self.settle, Some(&request)).await?;
            if let Some(pending) = pending(&answer) {
                return Ok(pending);
            }
            let settled: SettleResponse = read("SettleResponse", &answer)?;
            match answer.status {
                status if status.is_success() || !settled.success => Ok(settled),
                status => Err(Failure::Protocol(format!("settled, but status {status}"))),
            }
        })
    }

    fn supported(&self) -> BoxFuture<'_, Result<Supported, Failure>> {
        Box::pin(async move {
            let answer = self.call(&self.supported, None).await?;
            if answer.status.is_success() {
                read("SupportedResponse", &answer)
            } else {
                Err(Failure::Unreachable(format!("status {}", answer.status)))
            }
        })
    }
}

impl fmt::Debug for HttpFacilitator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpFacilitator").field("verify", &self.verify).finish_non_exhaustive()
    }
}
