//! The bill: what an unpaid request is told, in both dialects at once.
//!
//! A 402 carries the v2 object in `PAYMENT-REQUIRED` and a v1 body, because clients of either version read only
//! their own. The rules below are those the official clients enforce.

use crate::config::GateConfig;
use crate::feed::{Feed, Offer, Tariff};
use crate::quote::Quote;
use serde_json::json;
use tollwire_x402::v2::{Extra, ResourceInfo};
use tollwire_x402::{Usdc, v1, v2};

/// The key of our extension in x402 messages.
pub const EXTENSION: &str = "tollwire-session";

/// The dearest deposit offered to v1 clients, $0.10: they take the first offer they know and refuse above this.
pub const V1_AMOUNT_MAX: u64 = 100_000;

/// What a paid request answers with.
const MIME_TYPE: &str = "application/json";

/// What to pay, in both dialects.
#[derive(Debug, Clone, PartialEq)]
pub struct Bill {
    /// The v2 object: every offer, largest deposit first.
    pub required: v2::PaymentRequired,
    /// The v1 body: deposits of at most $0.10 on networks that v1 clients know, largest first.
    pub legacy: v1::PaymentRequired,
}

impl Bill {
    /// The bill for a resource of a feed. `why` is for people.
    pub fn new(
        config: &GateConfig,
        feed: &Feed,
        tariff: &Tariff,
        path: &str,
        quote: &Quote,
        why: Option<&str>,
    ) -> Self {
        let url = config.url(path);
        let legacy = v1::PaymentRequired {
            x402_version: v1::VERSION,
            error: why.unwrap_or("X-PAYMENT header is required").to_owned(),
            accepts: tariff.offers.iter().filter_map(|offer| legacy(feed, offer, &url)).collect(),
        };
        let required = v2::PaymentRequired {
            x402_version: v2::VERSION,
            error: Some(why.unwrap_or("PAYMENT-SIGNATURE header is required").to_owned()),
            resource: ResourceInfo {
                url,
                description: Some(description(feed)),
                mime_type: Some(MIME_TYPE.to_owned()),
            },
            accepts: tariff.offers.iter().map(|offer| offer.requirements.clone()).collect(),
            extensions: Some(extension(config, feed, quote)),
        };
        Self { required, legacy }
    }
}

fn description(feed: &Feed) -> String {
    if feed.description.is_empty() {
        format!("Live feed {}, paid per {}", feed.id(), feed.unit())
    } else {
        feed.description.clone()
    }
}

fn extension(config: &GateConfig, feed: &Feed, quote: &Quote) -> Extra {
    let extension = json!({
        "info": {
            "quote": quote.expose(),
            "facilitator": config.url(""),
            "maxStreamSeconds": feed.route.max_stream.as_secs(),
        },
        "schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "quote": {"type": "string"},
                "facilitator": {"type": "string", "format": "uri"},
                "maxStreamSeconds": {"type": "integer"},
            },
            "required": ["quote", "facilitator"],
        },
    });
    Extra::from_iter([(EXTENSION.to_owned(), extension)])
}

fn legacy(feed: &Feed, offer: &Offer, url: &str) -> Option<v1::PaymentRequirements> {
    let terms = &offer.requirements;
    if Usdc::from_atomic(V1_AMOUNT_MAX).is_none_or(|most| terms.amount > most) {
        return None;
    }
    Some(v1::PaymentRequirements {
        scheme: terms.scheme.clone(),
        network: offer.network.v1_name()?.to_owned(),
        max_amount_required: terms.amount,
        resource: url.to_owned(),
        description: description(feed),
        mime_type: MIME_TYPE.to_owned(),
        pay_to: terms.pay_to.clone(),
        max_timeout_seconds: terms.max_timeout_seconds,
        asset: terms.asset.clone(),
        extra: terms.extra.clone(),
    })
}
