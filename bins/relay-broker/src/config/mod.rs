//! The configuration file: its shape. What the values mean is in docs/relay-broker.md.

mod api;
mod asp;
mod bridge;
mod footguns;
mod limits;
mod orchestrator;
mod payments;
mod prepaid;

pub(crate) use api::{Api, PaymentHeader};
pub(crate) use asp::{Asp, AspClient};
pub(crate) use bridge::{Agent, App};
pub(crate) use footguns::warnings;
pub(crate) use limits::Limits;
pub(crate) use orchestrator::Orchestrator;
pub(crate) use prepaid::{Prepaid, deposits};

use serde::Deserialize;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use tollwire_ops::config::{AddressRange, Loaded, Log, MaybeEnv, Runtime, Tls};
use tollwire_ops::secret::SecretRef;
use tollwire_ops::store::StoreUrl;
use tollwire_wiring::{Chain, Token};
use url::Url;

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// Where the public listener binds.
    #[serde(default = "default_listen")]
    pub(crate) listen: SocketAddr,
    /// The URL agents reach it by.
    #[serde(deserialize_with = "tollwire_ops::config::public_url")]
    pub(crate) public_url: Url,
    /// `memory:`, `file:PATH`, `redis://...` or `rediss://...`; or `env:NAME` holding one of these.
    #[serde(default = "default_store")]
    pub(crate) store: MaybeEnv,
    /// Start on a Redis that may forget (no append-only file, or eviction).
    #[serde(default)]
    pub(crate) allow_volatile: bool,
    /// Replicas that must have confirmed a payment's records, where we settle.
    #[serde(default)]
    pub(crate) wait_replicas: u32,
    /// The x402 facilitator that settles what has a price; or `env:NAME` holding its URL.
    pub(crate) facilitator: Option<MaybeEnv>,
    /// What it is shown as `Authorization: Bearer`.
    pub(crate) facilitator_key: Option<SecretRef>,
    /// Let the dev chain, which anybody can pay with play money, listen beyond loopback.
    #[serde(default)]
    pub(crate) dev_allow_public: bool,
    /// TLS on the public listener.
    pub(crate) tls: Option<Tls>,
    /// Web pages that may use the broker, beside those of `public_url`.
    #[serde(default)]
    pub(crate) origins: Vec<String>,
    /// PEM file of private authorities that `https://` APIs may be signed by, beside the public ones.
    pub(crate) upstream_roots: Option<PathBuf>,
    /// Proxies whose `X-Forwarded-For` is believed.
    #[serde(default)]
    pub(crate) trusted_proxies: Vec<AddressRange>,
    /// Metrics and health.
    pub(crate) admin: Option<Admin>,
    /// Bounds and time-outs.
    #[serde(default)]
    pub(crate) limits: Limits,
    /// Threads.
    #[serde(default)]
    pub(crate) runtime: Runtime,
    /// Logging.
    #[serde(default)]
    pub(crate) log: Log,
    /// Where money settles, if that is here.
    #[serde(default)]
    pub(crate) chain: Vec<Chain>,
    /// What the tokens of prepaid accounts are signed with; without it there are none.
    pub(crate) token: Option<Token>,
    /// Prepaid accounts.
    pub(crate) prepaid: Option<Prepaid>,
    /// What can be called.
    #[serde(default)]
    pub(crate) api: Vec<Api>,
    /// What tokens of apps and agents are hashed with; without it there is no bridge.
    pub(crate) token_key: Option<SecretRef>,
    /// Apps.
    #[serde(default)]
    pub(crate) app: Vec<App>,
    /// Agents.
    #[serde(default)]
    pub(crate) agent: Vec<Agent>,
    /// Agent sessions; without it there are none.
    pub(crate) asp: Option<Asp>,
    /// People, and agents that work for them; without it there are none.
    pub(crate) orchestrator: Option<Orchestrator>,
}

/// `[admin]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Admin {
    /// Where it listens; keep it private.
    pub(crate) listen: SocketAddr,
    /// What `/admin/*` asks for; without it there is none.
    pub(crate) token: Option<SecretRef>,
}

const fn default_listen() -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4030)
}

fn default_store() -> MaybeEnv {
    "memory:".into()
}

/// Reads and checks a file.
pub(crate) fn read(path: &std::path::Path) -> Result<Loaded<File>, tollwire_ops::Error> {
    let file: Loaded<File> = tollwire_ops::config::load(path)?;
    StoreUrl::of(&file, &file.value.store)?;
    limits::validate(&file)?;
    if file.value.token_key.is_none() && !(file.value.app.is_empty() && file.value.agent.is_empty()) {
        return Err(file.error("token_key", "apps and agents need it: at least 32 characters, kept secret"));
    }
    payments::validate(&file)?;
    prepaid::validate(&file)?;
    crate::asp::validate(&file)?;
    orchestrator::validate(&file)?;
    Ok(file)
}
