//! `[[feed]]`.

use super::File;
use serde::Deserialize;
use std::collections::BTreeMap;
use tollwire_gate::feed::Dpop;
use tollwire_ops::config::{Loaded, MaybeEnv};
use tollwire_ops::duration::HumanDuration;
use tollwire_x402::{FeedId, Network, Unit};

/// One feed for sale.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Feed {
    /// Its id; made from the upstream when left out.
    pub(crate) id: Option<FeedId>,
    /// For people, in offers.
    pub(crate) description: Option<String>,
    /// `ws://` or `wss://`, or `env:NAME` holding one.
    pub(crate) upstream: MaybeEnv,
    /// Dollars per unit.
    pub(crate) price: String,
    /// What is priced.
    #[serde(default = "default_unit")]
    pub(crate) unit: Unit,
    /// Whose messages or bytes count.
    #[serde(default)]
    pub(crate) count: Count,
    /// Streams that one session may have open at once.
    #[serde(default = "default_streams_per_session")]
    pub(crate) streams_per_session: u32,
    /// Units left at which an agent is told; a fifth of the smallest deposit when left out.
    pub(crate) low_water: Option<u64>,
    /// Deposit sizes on offer, in units, largest first.
    #[serde(default = "default_deposit_units")]
    pub(crate) deposit_units: Vec<u64>,
    /// Where it can be paid; every configured chain when left out.
    pub(crate) networks: Option<Vec<Network>>,
    /// Who earns, per network.
    #[serde(default)]
    pub(crate) provider_wallet: BTreeMap<Network, String>,
    /// What proves to the upstream that we sent the stream.
    #[serde(default)]
    pub(crate) upstream_auth: UpstreamAuth,
    /// Header lines for the upstream's handshake.
    #[serde(default)]
    pub(crate) upstream_headers: BTreeMap<String, MaybeEnv>,
    /// What happens to an open when no unit is left.
    #[serde(default)]
    pub(crate) exhausted: Exhausted,
    /// How long one `stream` unit lasts.
    #[serde(default = "default_max_stream")]
    pub(crate) max_stream: HumanDuration,
    /// Whether sessions are bound to a key of the agent's.
    #[serde(default)]
    pub(crate) dpop: Dpop,
    /// Whether nothing of it is sold for now.
    #[serde(default)]
    pub(crate) paused: bool,
}

/// `upstream_auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum UpstreamAuth {
    /// Nothing.
    #[default]
    None,
    /// A token of at most 60 seconds, for this stream only.
    StreamToken,
}

/// `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Count {
    /// What the upstream sends to the agent.
    #[default]
    Down,
    /// What the agent sends to the upstream.
    Up,
    /// Both.
    Both,
}

/// `exhausted`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Exhausted {
    /// 403 with an offer.
    #[default]
    Refuse,
    /// Accept, then CLOSE 4008, which browsers can see.
    Close,
}

const fn default_streams_per_session() -> u32 {
    tollwire_proxy::STREAMS_PER_SESSION
}

const fn default_unit() -> Unit {
    Unit::Stream
}

fn default_deposit_units() -> Vec<u64> {
    vec![100, 10, 1]
}

const fn default_max_stream() -> HumanDuration {
    HumanDuration(std::time::Duration::from_secs(24 * 3600))
}

/// Rules between a feed and the rest of the file.
pub(super) fn validate(
    file: &Loaded<File>,
    networks: &[Network],
    dev: bool,
) -> Result<(), tollwire_ops::Error> {
    for (position, feed) in file.value.feed.iter().enumerate() {
        let fail = |key: &str, reason: String| Err(file.error(format!("feed[{position}].{key}"), reason));
        let sizes = &feed.deposit_units;
        if sizes.is_empty() || sizes.contains(&0) || !sizes.is_sorted_by(|a, b| a > b) {
            return fail("deposit_units", "list sizes of at least 1, largest first, each once".into());
        }
        if feed.streams_per_session == 0 {
            return fail("streams_per_session", "must be at least 1".into());
        }
        if feed.max_stream.0.is_zero() {
            return fail("max_stream", "must be longer than nothing".into());
        }
        for network in feed.networks.as_deref().unwrap_or(networks) {
            if !networks.contains(network) {
                return fail("networks", format!("{network} has no [[chain]]"));
            }
            if !dev && !feed.provider_wallet.contains_key(network) {
                return fail("provider_wallet", format!("name the wallet that earns on {network}"));
            }
        }
        if let Some(stray) = feed.provider_wallet.keys().find(|network| !networks.contains(network)) {
            return fail("provider_wallet", format!("{stray} has no [[chain]]"));
        }
    }
    Ok(())
}
