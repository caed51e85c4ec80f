//! The configuration file: its shape. What the values mean is in docs/configuration.md.

mod facilitator;
mod feed;
mod footguns;
mod limits;
mod payout;

pub(crate) use facilitator::{CustomerLimits, FacilitatorApi};
pub(crate) use feed::{Count, Exhausted, Feed, UpstreamAuth};
pub(crate) use footguns::warnings;
pub(crate) use limits::Limits;
pub(crate) use payout::{GasBearer, Payout};
pub(crate) use tollwire_wiring::Chain;

use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;
use tollwire_ops::config::{AddressRange, Admin, Loaded, Log, MaybeEnv, Runtime, Tls};
use tollwire_ops::duration::HumanDuration;
use tollwire_ops::store::StoreUrl;
use tollwire_wiring::{Exposure, Token};
use url::Url;

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// Where the public listener binds.
    pub(crate) listen: SocketAddr,
    /// The URL agents reach it by; also the tokens' audience.
    #[serde(deserialize_with = "tollwire_ops::config::public_url")]
    pub(crate) public_url: Url,
    /// `file:PATH`, `memory:`, `redis://...` or `rediss://...`; or `env:NAME` holding one of these.
    pub(crate) store: MaybeEnv,
    /// TLS on the public listener.
    pub(crate) tls: Option<Tls>,
    /// PEM file of private authorities that `wss://` upstreams may be signed by, beside the public ones.
    pub(crate) upstream_roots: Option<PathBuf>,
    /// Where feeds registered over the admin listener are kept.
    #[serde(default = "default_registered_feeds")]
    pub(crate) registered_feeds: PathBuf,
    /// Hosts that feeds registered over the admin listener may name as upstream; empty allows every host.
    #[serde(default)]
    pub(crate) upstream_hosts: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    #[serde(default)]
    pub(crate) trusted_proxies: Vec<AddressRange>,
    /// Start on a Redis that may forget (no append-only file, or eviction).
    #[serde(default)]
    pub(crate) allow_volatile: bool,
    /// Replicas that must have confirmed a payment's records.
    #[serde(default)]
    pub(crate) wait_replicas: u32,
    /// Let the dev chain, which anybody can pay with play money, listen beyond loopback.
    #[serde(default)]
    pub(crate) dev_allow_public: bool,
    /// Our fee, in hundredths of a percent of what was captured.
    #[serde(default = "default_fee_bps")]
    pub(crate) fee_bps: u16,
    /// How long a session keeps an unspent balance.
    #[serde(default = "default_balance_ttl")]
    pub(crate) balance_ttl: HumanDuration,
    /// What becomes of what is left at the end of a session.
    #[serde(default)]
    pub(crate) unspent: Unspent,
    /// Session tokens.
    pub(crate) token: Token,
    /// Metrics, health, administration.
    pub(crate) admin: Option<Admin>,
    /// The plain x402 facilitator.
    #[serde(default)]
    pub(crate) facilitator: FacilitatorApi,
    /// How providers are paid out.
    #[serde(default)]
    pub(crate) payout: Payout,
    /// Bounds and time-outs.
    #[serde(default)]
    pub(crate) limits: Limits,
    /// Threads.
    #[serde(default)]
    pub(crate) runtime: Runtime,
    /// Logging.
    #[serde(default)]
    pub(crate) log: Log,
    /// Where money settles.
    #[serde(default)]
    pub(crate) chain: Vec<Chain>,
    /// What is sold.
    #[serde(default)]
    pub(crate) feed: Vec<Feed>,
}

/// `unspent`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unspent {
    /// Paid back on chain, to the session's payer alone, less gas.
    #[default]
    Refund,
    /// The provider's, as if it had been served.
    Provider,
    /// Left in the session until an operator refunds it.
    Keep,
}

const fn default_fee_bps() -> u16 {
    100
}

const fn default_balance_ttl() -> HumanDuration {
    HumanDuration(std::time::Duration::from_secs(30 * 24 * 3600))
}

fn default_registered_feeds() -> PathBuf {
    "registered-feeds.json".into()
}

/// Reads and checks a file.
pub(crate) fn read(path: &std::path::Path) -> Result<Loaded<File>, tollwire_ops::Error> {
    let file = tollwire_ops::config::load(path)?;
    validate(&file)?;
    Ok(file)
}

/// Rules that span several keys. Those of one key are its type's.
fn validate(file: &Loaded<File>) -> Result<(), tollwire_ops::Error> {
    let value = &file.value;
    if value.fee_bps > 10_000 {
        return Err(file.error("fee_bps", "at most 10000, which is everything"));
    }
    payout::validate(file)?;
    StoreUrl::of(file, &value.store)?;
    if value.chain.is_empty() {
        return Err(file.error("chain", "add at least one [[chain]]; kind = \"dev\" needs nothing else"));
    }
    let dev = value.chain.iter().any(|chain| matches!(chain, Chain::Dev));
    let exposure = Exposure { listen: value.listen, dev_allow_public: value.dev_allow_public };
    let networks = tollwire_wiring::check(file, &value.chain, exposure)?;
    facilitator::validate(file, dev)?;
    feed::validate(file, &networks, dev)
}
