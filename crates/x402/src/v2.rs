//! x402 version 2 messages, as `specs/x402-specification-v2.md` writes them.
//!
//! Optional fields are left out when empty, never written as `null`: older readers are strict. Unknown keys are
//! ignored on reading.

use crate::{Network, Usdc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The version number these messages carry.
pub const VERSION: u8 = 2;

/// A JSON object whose content belongs to a scheme or an extension.
pub type Extra = Map<String, Value>;

/// The 402 answer's content: what to pay, in any one of several ways.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequired {
    /// Always 2.
    pub x402_version: u8,
    /// Why payment is asked, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What is sold.
    pub resource: ResourceInfo,
    /// The offers; clients take the first that fits their limits.
    pub accepts: Vec<PaymentRequirements>,
    /// Extension name to `{info, schema}`; clients echo `info`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extensions: Option<Extra>,
}

impl std::fmt::Debug for PaymentRequired {
    /// Without extensions: they hold a quote.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PaymentRequired")
            .field("resource", &self.resource)
            .field("accepts", &self.accepts)
            .finish_non_exhaustive()
    }
}

/// What is sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceInfo {
    /// Absolute URL; not empty.
    pub url: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Content type of the paid answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
}

/// One offer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequirements {
    /// The scheme, such as `exact`.
    pub scheme: String,
    /// Where the payment settles; any CAIP-2 text, so that an unknown network is a business answer, not a
    /// malformed message. Read it with [`PaymentRequirements::known_network`].
    pub network: String,
    /// The price.
    pub amount: Usdc,
    /// Asset contract or mint.
    pub asset: String,
    /// Who is paid.
    pub pay_to: String,
    /// How long the payment may take, in seconds; greater than 0.
    pub max_timeout_seconds: u64,
    /// The scheme's own fields (EIP-712 `name` and `version`, Solana `feePayer`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<Extra>,
}

impl PaymentRequirements {
    /// The network, if it is one we can name.
    pub fn known_network(&self) -> Option<Network> {
        self.network.parse().ok()
    }

    /// A text field of `extra`.
    pub fn extra_str(&self, key: &str) -> Option<&str> {
        self.extra.as_ref()?.get(key)?.as_str()
    }
}

/// What the client sends in `PAYMENT-SIGNATURE`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentPayload {
    /// Always 2.
    pub x402_version: u8,
    /// Echo of what is bought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceInfo>,
    /// Echo of the offer taken.
    pub accepted: PaymentRequirements,
    /// The scheme's payload (EVM: authorization and signature; Solana: transaction).
    pub payload: Value,
    /// Echoed extensions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extensions: Option<Extra>,
}

impl std::fmt::Debug for PaymentPayload {
    /// Without the payload and extensions: they hold a signature and a quote.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PaymentPayload").field("accepted", &self.accepted).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn debug_shows_neither_signature_nor_quote() {
        let offer = json!({
            "scheme": "exact", "network": "eip155:8453", "amount": "1", "asset": "0x00", "payTo": "0x00",
            "maxTimeoutSeconds": 60,
        });
        let extensions = json!({"tollwire-session": {"info": {"quote": "s3cret"}}});
        let required: PaymentRequired = serde_json::from_value(json!({
            "x402Version": 2, "resource": {"url": "https://x.example"}, "accepts": [offer.clone()],
            "extensions": extensions.clone(),
        }))
        .unwrap();
        let payment: PaymentPayload = serde_json::from_value(json!({
            "x402Version": 2, "accepted": offer, "payload": {"signature": "0xs3cret"}, "extensions": extensions,
        }))
        .unwrap();
        assert!(!format!("{required:?} {payment:?}").contains("s3cret"));
        assert!(format!("{required:?} {payment:?}").contains("eip155:8453"));
    }

    #[test]
    fn an_unknown_network_is_read_and_named_unknown() {
        let offer: PaymentRequirements = serde_json::from_value(json!({
            "scheme": "exact", "network": "bip122:000000000019d6689c085ae165831e93", "amount": "1", "asset": "x",
            "payTo": "x", "maxTimeoutSeconds": 60, "extra": {"name": "USDC", "decimals": 6},
        }))
        .unwrap();
        assert_eq!(offer.known_network(), None);
        assert_eq!((offer.extra_str("name"), offer.extra_str("decimals")), (Some("USDC"), None));
    }
}
