//! What an unpaid request is told, in both dialects at once: clients of either version read only their own.

use crate::v2::{Extra, PaymentRequirements, ResourceInfo};
use crate::{Usdc, v1, v2};

/// The dearest offer made to v1 clients, $0.10: they take the first offer they know and refuse above this.
pub const V1_AMOUNT_MAX: u64 = 100_000;

/// What to pay, in both dialects.
#[derive(Debug, Clone, PartialEq)]
pub struct Bill {
    /// The v2 object, for `PAYMENT-REQUIRED`: every offer.
    pub required: v2::PaymentRequired,
    /// The v1 body: offers of at most $0.10 on networks that v1 clients know.
    pub legacy: v1::PaymentRequired,
}

impl Bill {
    /// The bill for a resource, its offers in the order in which clients shall try them. `why` is for people.
    pub fn new(
        resource: ResourceInfo,
        offers: Vec<PaymentRequirements>,
        extensions: Option<Extra>,
        why: Option<&str>,
    ) -> Self {
        let legacy = v1::PaymentRequired {
            x402_version: v1::VERSION,
            error: why.unwrap_or("X-PAYMENT header is required").to_owned(),
            accepts: offers.iter().filter_map(|offer| affordable(&resource, offer)).collect(),
        };
        let required = v2::PaymentRequired {
            x402_version: v2::VERSION,
            error: Some(why.unwrap_or("PAYMENT-SIGNATURE header is required").to_owned()),
            resource,
            accepts: offers,
            extensions,
        };
        Self { required, legacy }
    }
}

fn affordable(resource: &ResourceInfo, offer: &PaymentRequirements) -> Option<v1::PaymentRequirements> {
    let dear = Usdc::from_atomic(V1_AMOUNT_MAX).is_none_or(|most| offer.amount > most);
    if dear { None } else { legacy(resource, offer) }
}

/// An offer as v1 clients read it; `None` on networks that they do not know.
pub fn legacy(resource: &ResourceInfo, offer: &PaymentRequirements) -> Option<v1::PaymentRequirements> {
    Some(v1::PaymentRequirements {
        scheme: offer.scheme.clone(),
        network: offer.known_network()?.v1_name()?.to_owned(),
        max_amount_required: offer.amount,
        resource: resource.url.clone(),
        description: resource.description.clone().unwrap_or_default(),
        mime_type: resource.mime_type.clone().unwrap_or_default(),
        pay_to: offer.pay_to.clone(),
        max_timeout_seconds: offer.max_timeout_seconds,
        asset: offer.asset.clone(),
        extra: offer.extra.clone(),
    })
}
