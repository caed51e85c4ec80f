//! Requests in both dialects, made right and then changed.

use bytes::Bytes;
use serde_json::{Value, json};
use tollwire_exact::evm::Domain;
use tollwire_tests::agent::{Agent, Terms, fresh_nonce, now};
use tollwire_tests::settings::PROVIDER;
use tollwire_x402::Network;

/// What is asked for, in atomic USDC.
pub(crate) const PRICE: u64 = 5_000;

/// `maxTimeoutSeconds` of every offer.
const TIMEOUT: u64 = 120;

/// The network of the comparison, in both dialects.
pub(crate) const NETWORK: &str = "eip155:84532";
pub(crate) const V1_NETWORK: &str = "base-sepolia";

/// Base Sepolia's USDC.
pub(crate) const USDC: &str = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";

/// Right terms for the offer.
pub(crate) fn terms() -> Terms {
    Terms {
        to: PROVIDER.to_owned(),
        value: PRICE,
        valid_after: 0,
        valid_before: now() + TIMEOUT,
        nonce: fresh_nonce(),
        domain: Domain::usdc(Network::BASE_SEPOLIA).unwrap(),
    }
}

/// A v2 request about a payload.
pub(crate) fn v2(payload: &Value) -> Value {
    let offer = json!({
        "scheme": "exact", "network": NETWORK, "amount": PRICE.to_string(), "asset": USDC, "payTo": PROVIDER,
        "maxTimeoutSeconds": TIMEOUT, "extra": { "name": "USDC", "version": "2" },
    });
    json!({
        "x402Version": 2,
        "paymentPayload": {
            "x402Version": 2, "accepted": offer, "payload": payload,
            "resource": { "url": "https://api.example.com/weather", "description": "", "mimeType": "application/json" },
        },
        "paymentRequirements": offer,
    })
}

/// A v1 request about a payload.
pub(crate) fn v1(payload: &Value) -> Value {
    json!({
        "x402Version": 1,
        "paymentPayload": { "x402Version": 1, "scheme": "exact", "network": V1_NETWORK, "payload": payload },
        "paymentRequirements": {
            "scheme": "exact", "network": V1_NETWORK, "maxAmountRequired": PRICE.to_string(),
            "resource": "https://api.example.com/weather", "description": "", "mimeType": "application/json",
            "payTo": PROVIDER, "maxTimeoutSeconds": TIMEOUT, "asset": USDC,
            "extra": { "name": "USDC", "version": "2" },
        },
    })
}

/// A signed payload on changed terms.
pub(crate) fn signed(agent: &Agent, change: impl FnOnce(&mut Terms)) -> Value {
    let mut terms = terms();
    change(&mut terms);
    agent.sign(&terms)
}

/// Sets a member of the offer and of its echo, in either dialect.
pub(crate) fn offer(request: &mut Value, key: &str, value: &Value) {
    for part in ["/paymentRequirements", "/paymentPayload/accepted"] {
        if let Some(members) = request.pointer_mut(part) {
            members[key] = value.clone();
        }
    }
}

pub(crate) fn bytes(request: &Value) -> Bytes {
    serde_json::to_vec(request).unwrap().into()
}
