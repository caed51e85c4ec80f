//! A session in a form that can be kept, so that an agent that was restarted goes on without paying.

use crate::payment::SavedPayment;
use serde::{Deserialize, Serialize};
use std::fmt;
use tollwire_x402::{FeedId, Network, SessionId, Unit, Usdc};

/// A session as it is kept. It holds its token and the payment that collects it again: keep it like a password. It
/// holds no key, neither the wallet's nor that of DPoP.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedSession {
    pub(crate) jti: SessionId,
    pub(crate) feed: FeedId,
    pub(crate) unit: Unit,
    pub(crate) units_remaining: u64,
    pub(crate) deposited: String,
    pub(crate) chain: String,
    pub(crate) paid: Usdc,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) transaction: Option<String>,
    pub(crate) expires_at: String,
    pub(crate) ws_url: String,
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) bound: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) payment: Option<SavedPayment>,
    pub(crate) terms: Vec<SavedTerms>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) price: Option<Usdc>,
}

/// Terms that were on offer in the session's first bill.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedTerms {
    pub(crate) network: Network,
    pub(crate) asset: String,
    pub(crate) pay_to: String,
}

impl fmt::Debug for SavedSession {
    /// Without the token and the payment.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SavedSession")
            .field("jti", &self.jti)
            .field("feed", &self.feed)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}
