//! The 402 of ours, in both dialects at once: the v2 object in `PAYMENT-REQUIRED`, the v1 object as body.

use super::held::Notes;
use super::offers::Offer;
use crate::call::CallError;
use crate::call::upstream::ApiAnswer;
use crate::runtime::Room;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::json;
use tollwire_x402::facilitator::SettleResponse;
use tollwire_x402::v2::{Extra, ResourceInfo};
use tollwire_x402::{Bill, Dialect, header};

/// The key of our extension in x402 messages. Clients of version 2 echo its `info`, and with it the quote: a secret that
/// never goes on chain, and proves that who collects is who paid.
pub(super) const EXTENSION: &str = "tollwire-relay";

/// A payment that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unpaid {
    pub(super) dialect: Dialect,
    /// One of `tollwire_x402::reason`, or the facilitator's own word.
    pub(super) reason: String,
    /// For people.
    pub(super) message: String,
    pub(super) payer: Option<String>,
    /// In the payment's dialect.
    pub(super) network: String,
}

/// The bill for a resource; after a payment that was not taken with the reason.
pub(super) fn bill(url: String, offers: &[Offer], unpaid: Option<&Unpaid>) -> Result<ApiAnswer, CallError> {
    let resource =
        ResourceInfo { url, description: Some("One call, answered when it is paid".into()), mime_type: None };
    let extensions = Extra::from_iter([(EXTENSION.to_owned(), extension()?)]);
    let required = offers.iter().map(|offer| offer.requirements.clone()).collect();
    let why = unpaid.map(|unpaid| unpaid.message.as_str());
    let mut bill = Bill::new(resource, required, Some(extensions), why);
    let v1 = |name: &str| offers.iter().any(|offer| offer.v1 && offer.network.v1_name() == Some(name));
    bill.legacy.accepts.retain(|offer| v1(&offer.network));
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    put(&mut headers, header::PAYMENT_REQUIRED, &header::encode(&bill.required).unwrap_or_default());
    if let Some(unpaid) = unpaid {
        settlement(&mut headers, unpaid.dialect, &unpaid.response());
    }
    let body = serde_json::to_vec(&bill.legacy).unwrap_or_default();
    Ok(ApiAnswer {
        status: StatusCode::PAYMENT_REQUIRED,
        headers,
        body: Bytes::from(body),
        room: Room::default(),
        chunks: None,
        notes: Notes::default(),
    })
}

/// Adds a settlement's outcome, in the header of its dialect.
pub(super) fn settlement(headers: &mut HeaderMap, dialect: Dialect, outcome: &SettleResponse) {
    put(headers, dialect.response_header(), &header::encode(outcome).unwrap_or_default());
}

/// Everything in base64 is a header value.
fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

fn extension() -> Result<serde_json::Value, CallError> {
    let mut secret = [0_u8; 16];
    getrandom::fill(&mut secret).map_err(|_| CallError::CannotBePaid)?;
    Ok(json!({
        "info": { "quote": URL_SAFE_NO_PAD.encode(secret) },
        "schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": { "quote": { "type": "string" } },
            "required": ["quote"],
        },
    }))
}

impl Unpaid {
    /// The settlement that did not come about.
    fn response(&self) -> SettleResponse {
        SettleResponse {
            success: false,
            error_reason: Some(self.reason.clone()),
            error_message: Some(self.message.clone()),
            payer: self.payer.clone(),
            transaction: String::new(),
            network: self.network.clone(),
            amount: None,
            extensions: None,
        }
    }
}
