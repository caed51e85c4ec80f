//! Makes tokens that no issuer would.

use crate::keys::Key;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const URL: &str = "https://pay.example";
pub(crate) const SESSION: &str = "7d444840-9dc0-4acd-b245-5ffdce74fad2";

/// A token in the making: header and payload as texts, so that they can be wrong in any way.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) header: String,
    pub(crate) payload: String,
}

impl Draft {
    pub(crate) fn session(key: &Key) -> Self {
        let payload = json!({
            "iss": URL,
            "aud": URL,
            "sub": "0x857b06519e91e3a54538791bdbb0e22373e36b66",
            "jti": SESSION,
            "feed": "ticks",
            "deposited": "$10.00",
            "streams_remaining": 10,
            "unit": "stream",
            "network": "eip155:8453",
            "chain": "base",
            "iat": NOW,
            "nbf": NOW,
            "exp": NOW + 86_400,
            "gen": 0,
        });
        Self { header: header(key, "tollwire-session+jwt"), payload: payload.to_string() }
    }

    pub(crate) fn stream(key: &Key) -> Self {
        let payload = json!({
            "iss": URL,
            "aud": "ticks",
            "sub": "0x857b06519e91e3a54538791bdbb0e22373e36b66",
            "jti": SESSION,
            "stream": "f47ac10b58cc4372a5670e02b2c3d479",
            "fence": 1,
            "feed": "ticks",
            "iat": NOW,
            "exp": NOW + 60,
        });
        Self { header: header(key, "tollwire-stream+jwt"), payload: payload.to_string() }
    }

    /// A proof of `key` for a request with this token.
    pub(crate) fn proof(key: &Key, token: Option<&str>) -> Self {
        let mut payload = json!({
            "jti": "5f1d2c8e7a6b4d3c9e0f1a2b3c4d5e6f",
            "htm": "GET",
            "htu": "https://pay.example/ws/ticks",
            "iat": NOW,
        });
        if let Some(token) = token {
            payload["ath"] = encode(Sha256::digest(token)).into();
        }
        let header = json!({ "typ": "dpop+jwt", "alg": key.alg(), "jwk": key.jwk() });
        Self { header: header.to_string(), payload: payload.to_string() }
    }

    pub(crate) fn receipt(key: &Key) -> Self {
        let payload = json!({
            "iss": URL,
            "sub": "0x857b06519e91e3a54538791bdbb0e22373e36b66",
            "jti": SESSION,
            "feed": "ticks",
            "unit": "stream",
            "network": "eip155:8453",
            "chain": "base",
            "bought": 10,
            "used": 4,
            "refunded": 5,
            "remaining": 1,
            "amount": "10000000",
            "used_amount": "4000000",
            "from": NOW - 3600,
            "to": NOW,
            "iat": NOW,
            "final": false,
        });
        Self { header: header(key, "tollwire-receipt+jwt"), payload: payload.to_string() }
    }

    /// The signature of a control message with this `data`.
    pub(crate) fn control(key: &Key, data: &str) -> Self {
        let payload = json!({
            "iss": URL,
            "aud": SESSION,
            "iat": NOW,
            "type": "x402/payment-required",
            "id": "q1",
            "sha256": encode(Sha256::digest(data)),
        });
        Self { header: header(key, "tollwire-control+jwt"), payload: payload.to_string() }
    }

    /// Sets a header member; `Null` removes it.
    pub(crate) fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header = with(&self.header, name, value.into());
        self
    }

    /// Sets a claim; `Null` removes it.
    pub(crate) fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.payload = with(&self.payload, name, value.into());
        self
    }

    /// Sets a claim to this JSON text, even to null.
    pub(crate) fn raw_claim(mut self, name: &str, json: &str) -> Self {
        let rest = with(&self.payload, name, Value::Null);
        self.payload = format!("{{\"{name}\":{json},{}", &rest[1..]);
        self
    }

    /// Puts text into the payload's object, before what is there.
    pub(crate) fn payload_prefix(mut self, members: &str) -> Self {
        self.payload = format!("{{{members},{}", &self.payload[1..]);
        self
    }

    /// Puts text into the header's object, before what is there.
    pub(crate) fn header_prefix(mut self, members: &str) -> Self {
        self.header = format!("{{{members},{}", &self.header[1..]);
        self
    }

    pub(crate) fn payload(mut self, text: impl Into<String>) -> Self {
        self.payload = text.into();
        self
    }

    pub(crate) fn signed(&self) -> String {
        format!("{}.{}", encode(&self.header), encode(&self.payload))
    }

    pub(crate) fn sign(&self, key: &Key) -> String {
        self.signature(&key.sign(&self.signed()))
    }

    /// As an attacker signs who takes a public key for an HMAC secret.
    pub(crate) fn hs256(self, secret: &[u8]) -> String {
        let draft = self.header("alg", "HS256");
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
        mac.update(draft.signed().as_bytes());
        draft.signature(&mac.finalize().into_bytes())
    }

    pub(crate) fn signature(&self, signature: &[u8]) -> String {
        format!("{}.{}", self.signed(), encode(signature))
    }
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn decode(segment: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(segment).unwrap()
}

/// The other number that fits an Ed25519 equation: S + L, which a careful verifier refuses (RFC 8032 section 5.1.7).
pub(crate) fn plus_order(signature: &[u8]) -> Vec<u8> {
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut out = signature.to_vec();
    let mut carry = 0_u16;
    for (byte, add) in out[32..].iter_mut().zip(order) {
        let [low, high] = (u16::from(*byte) + u16::from(add) + carry).to_le_bytes();
        *byte = low;
        carry = u16::from(high);
    }
    assert_eq!(carry, 0);
    out
}

fn header(key: &Key, typ: &str) -> String {
    json!({ "alg": key.alg(), "typ": typ, "kid": key.kid() }).to_string()
}

fn with(object: &str, name: &str, value: Value) -> String {
    let mut members: Map<String, Value> = serde_json::from_str(object).unwrap();
    if value.is_null() {
        members.shift_remove(name);
    } else {
        members.insert(name.to_owned(), value);
    }
    Value::Object(members).to_string()
}
