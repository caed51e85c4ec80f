//! Feeds: what is sold, at which tariff, and the registry of both.

mod json;
mod registry;
mod store;
mod tariff;

pub use json::default_low_water;
pub(crate) use json::{FeedJson, counted_word};
pub use registry::{EARLIER_TARIFFS_MAX, Entry, FEEDS_MAX, FeedRegistry, Origin};
pub use store::{FeedStore, RestoreError};
pub use tariff::{Offer, SCHEME, Tariff};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tollwire_proxy::FeedRoute;
use tollwire_x402::{FeedId, Network, Unit, Usdc};

/// The most deposit sizes a feed offers.
pub const DEPOSIT_SIZES_MAX: usize = 16;

/// The longest description, in bytes.
pub const DESCRIPTION_BYTES_MAX: usize = 256;

/// One sellable WebSocket endpoint.
#[derive(Debug, Clone)]
pub struct Feed {
    /// Where its streams go, and how. Carries the feed's id.
    pub route: FeedRoute,
    /// For people and catalogues; at most [`DESCRIPTION_BYTES_MAX`] bytes.
    pub description: String,
    /// Price of one unit; more than nothing.
    pub price: Usdc,
    /// Deposit sizes on offer, in units, largest first; 1 to [`DEPOSIT_SIZES_MAX`] of them.
    pub deposit_units: Vec<u64>,
    /// Where it can be paid; each has a configured chain.
    pub networks: Vec<Network>,
    /// Who is paid out, per network. May be left out on the dev chain.
    pub provider_wallet: BTreeMap<Network, String>,
    /// Whether its sessions can be, or must be, bound to a key of the agent's.
    pub dpop: Dpop,
    /// Whether nothing of it is sold for now. What was sold is served.
    pub paused: bool,
}

/// Whether the sessions of a feed are bound to a key of the agent's, so that a stolen token opens nothing (RFC 9449).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dpop {
    /// Never: a proof with a payment binds nothing.
    Off,
    /// Those whose payment comes with a proof.
    #[default]
    Optional,
    /// All: a payment without a proof is refused before it is settled.
    Required,
}

impl Dpop {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Optional => "optional",
            Self::Required => "required",
        }
    }
}

impl Feed {
    /// What is priced.
    pub fn unit(&self) -> Unit {
        self.route.unit
    }

    /// What sells prepaid accounts: sessions of atomic units of USDC, which no stream belongs to. They are spent at
    /// `spent_at`. `deposits` are the sizes on offer, largest first; `earners` who is paid for what is used.
    pub fn account(
        id: FeedId,
        spent_at: url::Url,
        deposits: &[Usdc],
        networks: Vec<Network>,
        earners: BTreeMap<Network, String>,
    ) -> Self {
        let mut route = FeedRoute::new(id, spent_at);
        route.unit = Unit::Usdc;
        Self {
            route,
            description: String::new(),
            price: tariff::ATOM,
            deposit_units: deposits.iter().map(|deposit| deposit.atomic()).collect(),
            networks,
            provider_wallet: earners,
            dpop: Dpop::Off,
            paused: false,
        }
    }

    /// Whether it sells accounts, and not streams.
    pub fn is_account(&self) -> bool {
        self.unit() == Unit::Usdc
    }

    /// Its id.
    pub fn id(&self) -> &FeedId {
        &self.route.feed
    }
}

/// Why a feed cannot be sold as written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FeedError {
    /// A field has a value that cannot work.
    #[error("{field}: {rule}")]
    Field {
        /// Which.
        field: &'static str,
        /// What would be right.
        rule: String,
    },
    /// The id is taken.
    #[error("a feed of this id exists; change it with PATCH")]
    Exists,
    /// No feed of that id.
    #[error("no such feed")]
    Unknown,
    /// The registry is full.
    #[error("at most {0} feeds")]
    TooMany(usize),
}

impl FeedError {
    pub(crate) fn field(field: &'static str, rule: impl Into<String>) -> Self {
        Self::Field { field, rule: rule.into() }
    }
}
