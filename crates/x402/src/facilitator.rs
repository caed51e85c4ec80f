//! The facilitator interface: verify, settle, supported (`specs/x402-specification-v2.md` section 7).
//!
//! One trait for every facilitator: ours in process, ours over HTTP, a third party's.

use crate::v2::Extra;
use crate::{Dialect, Network, json, v1, v2};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// A boxed future, so that `Arc<dyn Facilitator>` works.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The body of `POST /verify` and `POST /settle`, before anything is known about its version.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RawRequest {
    /// Envelope version; the payload's own version decides where both stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x402_version: Option<u8>,
    /// The client's payload, v1 or v2.
    pub payment_payload: Value,
    /// The offer it answers, v1 or v2.
    pub payment_requirements: Value,
}

/// A request in one of the two dialects, parsed.
#[derive(Debug, Clone, PartialEq)]
#[allow(
    clippy::large_enum_variant,
    reason = "one per HTTP request, moved once: a box would cost more than it saves (`allow`, because how large a \
              JSON map is depends on serde_json's features in the build at hand)"
)]
pub enum Request {
    /// x402 v1.
    V1(v1::PaymentPayload, v1::PaymentRequirements),
    /// x402 v2.
    V2(v2::PaymentPayload, v2::PaymentRequirements),
}

/// The answer of `/verify`; HTTP 200 in either case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyResponse {
    /// Whether the payment would settle now.
    pub is_valid: bool,
    /// Why not: one of [`crate::reason`]'s strings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid_reason: Option<String>,
    /// Why not, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid_message: Option<String>,
    /// Who pays, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payer: Option<String>,
}

/// The answer of `/settle`, and the content of `PAYMENT-RESPONSE`.
///
/// Read leniently: older facilitators write `null` where there is no transaction.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SettleResponse {
    /// Whether the money moved.
    pub success: bool,
    /// Why not: one of [`crate::reason`]'s strings. `settlement_pending` means "not known yet".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_reason: Option<String>,
    /// Why not, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// Who paid, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payer: Option<String>,
    /// Transaction hash; empty when there is none, never absent.
    #[serde(default, deserialize_with = "null_as_default")]
    pub transaction: String,
    /// The network, in the request's dialect.
    #[serde(default, deserialize_with = "null_as_default")]
    pub network: String,
    /// What was settled, in atomic units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// Extension answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extensions: Option<Extra>,
}

/// The answer of `/supported`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Supported {
    /// One entry per (version, scheme, network).
    pub kinds: Vec<Kind>,
    /// Extensions implemented.
    #[serde(default, deserialize_with = "null_as_default")]
    pub extensions: Vec<String>,
    /// Signing addresses per CAIP family, such as `eip155:*`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub signers: BTreeMap<String, Vec<String>>,
}

/// One supported way to pay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kind {
    /// 1 or 2.
    pub x402_version: u8,
    /// The scheme.
    pub scheme: String,
    /// v1 name or CAIP-2, as the version asks.
    pub network: String,
    /// What a resource server must put into its offers (Solana `feePayer`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<Extra>,
}

/// A facilitator failed to answer; nothing is known about the payment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// It could not be reached or did not answer in time: ask again with the same payment.
    #[error("facilitator unreachable: {0}")]
    Unreachable(String),
    /// It answered something that is not x402: report it; ask again with the same payment.
    #[error("facilitator answered out of protocol: {0}")]
    Protocol(String),
    /// The request itself is malformed: correct it.
    #[error("malformed request: {0}")]
    Malformed(String),
    /// Too much was asked for: ask again with the same payment, later.
    #[error("{reason}; ask again in {} s", retry_after.as_secs().max(1))]
    TooMany {
        /// One of [`crate::reason`]'s strings.
        reason: &'static str,
        /// How long to wait.
        retry_after: Duration,
    },
    /// The request contradicts an earlier one: use a new identifier for another payment.
    #[error("conflict: {0}")]
    Conflict(String),
    /// The request lacks the identifier that its offer asks for, or has none that is well formed.
    #[error("payment-identifier: {0}")]
    Identifier(String),
}

/// Verifies and settles payments.
///
/// A business refusal is an answer (`is_valid: false`, `success: false`); [`Failure`] means no answer.
pub trait Facilitator: Send + Sync {
    /// Would this payment settle now? Changes nothing anywhere.
    fn verify(&self, request: Request) -> BoxFuture<'_, Result<VerifyResponse, Failure>>;

    /// Settle this payment, once, however often asked.
    fn settle(&self, request: Request) -> BoxFuture<'_, Result<SettleResponse, Failure>>;

    /// What can be paid here.
    fn supported(&self) -> BoxFuture<'_, Result<Supported, Failure>>;

    /// What offers on a network made now say in `extra` beside what [`supported`](Self::supported) says of it: things that
    /// go out of date, and that no payment is held to (a recent blockhash). By default nothing.
    fn hints(&self, _network: Network) -> BoxFuture<'_, Extra> {
        Box::pin(std::future::ready(Extra::new()))
    }
}

/// Reads an explicit `null` like an absent field.
fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl std::fmt::Debug for SettleResponse {
    /// Without extensions: they may hold a session token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SettleResponse")
            .field("success", &self.success)
            .field("error_reason", &self.error_reason)
            .field("transaction", &self.transaction)
            .field("network", &self.network)
            .finish_non_exhaustive()
    }
}

impl VerifyResponse {
    /// The payment would settle.
    pub fn valid(payer: Option<String>) -> Self {
        Self { is_valid: true, invalid_reason: None, invalid_message: None, payer }
    }

    /// The payment would not settle.
    pub fn invalid(reason: &str, message: impl Into<String>, payer: Option<String>) -> Self {
        Self {
            is_valid: false,
            invalid_reason: Some(reason.into()),
            invalid_message: Some(message.into()),
            payer,
        }
    }
}

impl RawRequest {
    /// Reads the dialect from the payload's version (else the envelope's) and parses both halves.
    ///
    /// `Ok(Err(version))` is a version we do not speak: a business answer, `invalid_x402_version`.
    pub fn parse(self) -> Result<Result<Request, u64>, crate::Error> {
        let own = self.payment_payload.get("x402Version").and_then(Value::as_u64);
        match own.or(self.x402_version.map(u64::from)) {
            Some(1) => Ok(Ok(Request::V1(
                json::from_value("paymentPayload", self.payment_payload)?,
                json::from_value("paymentRequirements", self.payment_requirements)?,
            ))),
            Some(2) => Ok(Ok(Request::V2(
                json::from_value("paymentPayload", self.payment_payload)?,
                json::from_value("paymentRequirements", self.payment_requirements)?,
            ))),
            Some(other) => Ok(Err(other)),
            None => Err(crate::Error::Message {
                message: "paymentPayload",
                detail: "x402Version is missing; write 1 or 2".into(),
            }),
        }
    }
}

impl Request {
    /// The version of the dialect.
    pub const fn version(&self) -> u8 {
        match self {
            Self::V1(..) => v1::VERSION,
            Self::V2(..) => v2::VERSION,
        }
    }

    /// The dialect.
    pub const fn dialect(&self) -> Dialect {
        match self {
            Self::V1(..) => Dialect::V1,
            Self::V2(..) => Dialect::V2,
        }
    }

    /// The request as it travels.
    pub fn to_raw(&self) -> Result<RawRequest, crate::Error> {
        let value =
            |message, value: serde_json::Result<Value>| value.map_err(|_| crate::Error::Json { message });
        let (payload, requirements) = match self {
            Self::V1(payload, requirements) => {
                (serde_json::to_value(payload), serde_json::to_value(requirements))
            }
            Self::V2(payload, requirements) => {
                (serde_json::to_value(payload), serde_json::to_value(requirements))
            }
        };
        Ok(RawRequest {
            x402_version: Some(self.version()),
            payment_payload: value("paymentPayload", payload)?,
            payment_requirements: value("paymentRequirements", requirements)?,
        })
    }

    /// The network as the request names it, in its own dialect.
    pub fn network_text(&self) -> &str {
        match self {
            Self::V1(payload, _) => &payload.network,
            Self::V2(payload, _) => &payload.accepted.network,
        }
    }

    /// The offer in v2 form, whatever the dialect; `None` if a v1 network name is unknown.
    pub fn canonical(&self) -> Option<(v2::PaymentRequirements, &Value)> {
        match self {
            Self::V2(payload, requirements) => Some((requirements.clone(), &payload.payload)),
            Self::V1(payload, requirements) => {
                let network = Network::from_v1_name(&requirements.network).ok()?;
                let canonical = v2::PaymentRequirements {
                    scheme: requirements.scheme.clone(),
                    network: network.to_string(),
                    amount: requirements.max_amount_required,
                    asset: requirements.asset.clone(),
                    pay_to: requirements.pay_to.clone(),
                    max_timeout_seconds: requirements.max_timeout_seconds,
                    extra: requirements.extra.clone(),
                };
                Some((canonical, &payload.payload))
            }
        }
    }
}

#[cfg(test)]
mod tests;
