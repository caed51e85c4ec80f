//! x402 version 1 messages, as `specs/x402-specification-v1.md` writes them, within what legacy clients accept.

use crate::Usdc;
use crate::v2::Extra;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version number these messages carry.
pub const VERSION: u8 = 1;

/// The JSON body of a v1 402 answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequired {
    /// Always 1.
    pub x402_version: u8,
    /// Why payment is asked.
    pub error: String,
    /// The offers; legacy clients take the first they know and do not filter by price.
    pub accepts: Vec<PaymentRequirements>,
}

/// One v1 offer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequirements {
    /// The scheme, such as `exact`.
    pub scheme: String,
    /// The v1 name of the network, such as `base`.
    pub network: String,
    /// The price.
    pub max_amount_required: Usdc,
    /// Full URL of what is bought.
    pub resource: String,
    /// For people; legacy clients require it, so it is always written; readers do without.
    #[serde(default)]
    pub description: String,
    /// Content type of the paid answer; likewise.
    #[serde(default)]
    pub mime_type: String,
    /// Who is paid.
    pub pay_to: String,
    /// How long the payment may take, in whole seconds.
    pub max_timeout_seconds: u64,
    /// Asset contract or mint.
    pub asset: String,
    /// The scheme's own fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<Extra>,
}

/// What the client sends in `X-PAYMENT`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentPayload {
    /// Always 1.
    pub x402_version: u8,
    /// The scheme, such as `exact`.
    pub scheme: String,
    /// The v1 name of the network.
    pub network: String,
    /// The scheme's payload.
    pub payload: Value,
}

impl std::fmt::Debug for PaymentPayload {
    /// Without the payload: it holds a signature.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PaymentPayload").field("network", &self.network).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A 402 body that npm `x402` 1.2.0 accepts; its reader throws at a CAIP-2 name or an explicit null.
    #[test]
    fn the_402_body_is_written_as_legacy_clients_read_it() {
        let body = PaymentRequired {
            x402_version: VERSION,
            error: "X-PAYMENT header is required".into(),
            accepts: vec![PaymentRequirements {
                scheme: "exact".into(),
                network: "base-sepolia".into(),
                max_amount_required: Usdc::from_atomic(100_000).unwrap(),
                resource: "https://pay.example/feeds/ticks/session".into(),
                description: "Live ticks".into(),
                mime_type: "application/json".into(),
                pay_to: "0x209693Bc6afc0C5328bA36FaF03C514EF312287C".into(),
                max_timeout_seconds: 60,
                asset: "0x036CbD53842c5426634e7929541eC2318f3dCF7e".into(),
                extra: None,
            }],
        };
        let text = concat!(
            r#"{"x402Version":1,"error":"X-PAYMENT header is required","accepts":[{"scheme":"exact","#,
            r#""network":"base-sepolia","maxAmountRequired":"100000","#,
            r#""resource":"https://pay.example/feeds/ticks/session","description":"Live ticks","#,
            r#""mimeType":"application/json","payTo":"0x209693Bc6afc0C5328bA36FaF03C514EF312287C","#,
            r#""maxTimeoutSeconds":60,"asset":"0x036CbD53842c5426634e7929541eC2318f3dCF7e"}]}"#,
        );
        assert_eq!(serde_json::to_string(&body).unwrap(), text);
        assert_eq!(serde_json::from_str::<PaymentRequired>(text).unwrap(), body);
    }

    #[test]
    fn requirements_with_null_and_unknown_keys_are_read() {
        let read: PaymentRequirements = serde_json::from_value(json!({
            "scheme": "exact", "network": "base", "maxAmountRequired": "1", "resource": "https://x.example",
            "payTo": "0x00", "maxTimeoutSeconds": 60, "asset": "0x00", "outputSchema": null, "extra": null, "new": [],
        }))
        .unwrap();
        assert_eq!((read.extra, read.mime_type.as_str()), (None, ""));
    }

    #[test]
    fn debug_shows_no_signature() {
        let payment: PaymentPayload = serde_json::from_value(json!({
            "x402Version": 1, "scheme": "exact", "network": "base", "payload": {"signature": "0xs3cret"},
        }))
        .unwrap();
        assert!(!format!("{payment:?}").contains("s3cret"));
    }
}
