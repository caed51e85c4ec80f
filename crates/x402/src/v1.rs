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
    /// For people; legacy clients require it.
    pub description: String,
    /// Content type of the paid answer; legacy clients require it.
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
