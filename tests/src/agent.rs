//! An agent made by hand: it answers a 402 with a signed payment, in either dialect, and may do so wrongly.

use crate::http::{Answer, get};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
use tollwire_exact::evm::{Authorization, Domain, Payload, PrivateKey};
use tollwire_x402::{Network, Usdc, header};

/// An agent's wallet.
#[derive(Debug)]
pub struct Agent {
    key: PrivateKey,
}

/// A payment, ready to be sent as often as wanted.
#[derive(Debug, Clone)]
pub struct Payment {
    /// `payment-signature` or `x-payment`.
    pub header: &'static str,
    /// Its value.
    pub value: String,
    /// The message inside.
    pub message: Value,
}

impl Payment {
    /// The same header with another message.
    #[must_use]
    pub fn with_message(&self, message: Value) -> Self {
        Self { header: self.header, value: header::encode(&message).unwrap(), message }
    }
}

/// What a payment says, for tests that say it wrongly.
#[derive(Debug, Clone)]
pub struct Terms {
    pub to: String,
    pub value: u64,
    pub valid_after: u64,
    pub valid_before: u64,
    pub nonce: [u8; 32],
    pub domain: Domain,
}

/// Seconds since the epoch.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// 32 bytes that nobody used before.
pub fn fresh_nonce() -> [u8; 32] {
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).unwrap();
    nonce
}

impl Agent {
    /// A wallet nobody used before.
    pub fn new() -> Self {
        Self { key: PrivateKey::from_bytes(&fresh_nonce()).unwrap() }
    }

    /// Its address.
    pub fn address(&self) -> String {
        self.key.address().to_string()
    }

    /// Its key, to sign other things with.
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// Right terms for an offer of amount `value` in the v2 `accepts`.
    pub fn terms(offer: &Value) -> Terms {
        let network: Network = offer["network"].as_str().unwrap().parse().unwrap();
        Terms {
            to: offer["payTo"].as_str().unwrap().to_owned(),
            value: offer["amount"].as_str().unwrap().parse().unwrap(),
            valid_after: 0,
            valid_before: now() + offer["maxTimeoutSeconds"].as_u64().unwrap(),
            nonce: fresh_nonce(),
            domain: Domain::usdc(network).unwrap(),
        }
    }

    /// The scheme's payload for some terms.
    pub fn sign(&self, terms: &Terms) -> Value {
        let authorization = Authorization {
            from: self.key.address(),
            to: terms.to.parse().unwrap(),
            value: Usdc::from_atomic(terms.value).unwrap(),
            valid_after: terms.valid_after,
            valid_before: terms.valid_before,
            nonce: terms.nonce,
        };
        let signature = authorization.sign(&self.key, &terms.domain).unwrap();
        Payload::new(authorization, &signature).to_json()
    }

    /// A v2 payment for one offer of a 402, echoing what the 402 said.
    pub fn pay_v2(&self, bill: &Value, offer: &Value, terms: &Terms) -> Payment {
        let mut message = json!({
            "x402Version": 2, "resource": bill["resource"], "accepted": offer, "payload": self.sign(terms),
        });
        if let Some(extensions) = bill.get("extensions") {
            message["extensions"] = extensions.clone();
        }
        let value = header::encode(&message).unwrap();
        Payment { header: header::PAYMENT_SIGNATURE, value, message }
    }

    /// A v1 payment of an amount, from a 402's body.
    pub fn pay_v1(&self, network: &str, terms: &Terms) -> Payment {
        let message =
            json!({ "x402Version": 1, "scheme": "exact", "network": network, "payload": self.sign(terms) });
        let value = header::encode(&message).unwrap();
        Payment { header: header::X_PAYMENT, value, message }
    }

    /// Asks for the bill and signs the offer of `amount` atomic units.
    pub async fn payment(&self, session_url: &str, amount: u64) -> Payment {
        let bill = bill(session_url).await;
        let offer = offer(&bill, amount);
        self.pay_v2(&bill, &offer, &Self::terms(&offer))
    }

    /// Buys a session of `amount` atomic units.
    pub async fn buy(&self, session_url: &str, amount: u64) -> Answer {
        let payment = self.payment(session_url, amount).await;
        get(session_url, &[(payment.header, &payment.value)]).await
    }
}

impl Default for Agent {
    fn default() -> Self {
        Self::new()
    }
}

/// The v2 bill of an unpaid request.
pub async fn bill(session_url: &str) -> Value {
    let unpaid = get(session_url, &[]).await;
    assert_eq!(unpaid.status, 402, "{unpaid:?}");
    unpaid.decoded(header::PAYMENT_REQUIRED)
}

/// The offer of an amount.
pub fn offer(bill: &Value, amount: u64) -> Value {
    let wanted = amount.to_string();
    let offers = bill["accepts"].as_array().unwrap();
    offers
        .iter()
        .find(|offer| offer["amount"] == wanted.as_str())
        .unwrap_or_else(|| panic!("no offer of {wanted}: {bill}"))
        .clone()
}
