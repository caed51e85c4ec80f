//! Payments on an EVM chain, signed by one wallet, as a resource server hands them to a facilitator.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::json;
use tollwire_exact::evm::{Authorization, Domain, Payload, PrivateKey};
use tollwire_x402::{Network, Usdc};

use crate::Failure;

/// What each payment is worth, in atomic units.
const AMOUNT: u64 = 10_000;

/// How long a payment is good for, in seconds.
const GOOD_FOR: u64 = 600;

/// A wallet, and whom it pays.
pub(crate) struct Wallet {
    key: PrivateKey,
    pay_to: &'static str,
    made: u64,
}

impl Wallet {
    pub(crate) fn paying(pay_to: &'static str) -> Result<Self, Failure> {
        Ok(Self { key: PrivateKey::from_bytes(&[7; 32])?, pay_to, made: 0 })
    }

    pub(crate) fn address(&self) -> String {
        self.key.address().to_string()
    }

    /// The bodies of so many requests to `/verify` or `/settle`, no two alike.
    pub(crate) fn requests(&mut self, network: Network, count: u64) -> Result<Vec<Bytes>, Failure> {
        (0..count).map(|_| self.request(network)).collect()
    }

    fn request(&mut self, network: Network) -> Result<Bytes, Failure> {
        self.made += 1;
        let mut nonce = [0; 32];
        for (byte, counted) in nonce.iter_mut().zip(self.made.to_le_bytes()) {
            *byte = counted;
        }
        let domain = Domain::usdc(network).ok_or("no USDC is known there")?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let authorization = Authorization {
            from: self.key.address(),
            to: self.pay_to.parse()?,
            value: Usdc::from_atomic(AMOUNT).unwrap_or_default(),
            valid_after: 0,
            valid_before: now + GOOD_FOR,
            nonce,
        };
        let signature = authorization.sign(&self.key, &domain)?;
        let payload = Payload::new(authorization, &signature).to_json();
        let requirements = json!({
            "scheme": "exact", "network": network.to_string(), "amount": AMOUNT.to_string(),
            "asset": domain.contract.to_string(), "payTo": self.pay_to, "maxTimeoutSeconds": GOOD_FOR,
            "extra": { "name": domain.name, "version": domain.version },
        });
        let payment = json!({
            "x402Version": 2, "payload": payload, "accepted": requirements,
            "resource": { "url": "https://api.example.com/weather", "description": "", "mimeType": "application/json" },
        });
        let body =
            json!({ "x402Version": 2, "paymentPayload": payment, "paymentRequirements": requirements });
        Ok(Bytes::from(body.to_string()))
    }
}
