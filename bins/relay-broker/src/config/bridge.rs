//! `[[app]]` and `[[agent]]`.

use serde::Deserialize;
use tollwire_ops::config::MaybeEnv;
use tollwire_relay::bridge::{AgentId, AppId, Offline};

/// One app.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct App {
    /// Its name in frames and tokens.
    pub(crate) id: AppId,
    /// What `relay-broker app add --print` printed.
    pub(crate) token_hash: MaybeEnv,
    /// Whose it is.
    #[serde(default)]
    pub(crate) org: String,
    /// Whether final answers carry the payload they answer.
    #[serde(default = "yes")]
    pub(crate) echo_payload: bool,
    /// Whether it is told that an agent is typing.
    #[serde(default)]
    pub(crate) typing: bool,
    /// Events a minute.
    pub(crate) events_per_minute: Option<u32>,
    /// Events an hour.
    pub(crate) events_per_hour: Option<u32>,
    /// Connections at once.
    pub(crate) connections: Option<usize>,
}

/// One agent.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Agent {
    /// Its name in frames and tokens.
    pub(crate) id: AgentId,
    /// What `relay-broker agent add --print` printed.
    pub(crate) token_hash: MaybeEnv,
    /// Its name for people.
    pub(crate) name: Option<String>,
    /// What it is good for, for people.
    #[serde(default)]
    pub(crate) description: String,
    /// Whose it is.
    #[serde(default)]
    pub(crate) org: String,
    /// Apps that may send to it; empty for all of its organisation.
    #[serde(default)]
    pub(crate) allow: Vec<AppId>,
    /// What becomes of events while it is away.
    #[serde(default)]
    pub(crate) offline: Offline,
}

const fn yes() -> bool {
    true
}
