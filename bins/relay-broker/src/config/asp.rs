//! `[asp]`: agent sessions.

use serde::Deserialize;
use tollwire_asp::AgentUri;
use tollwire_ops::config::MaybeEnv;
use tollwire_ops::duration::HumanDuration;
use tollwire_ops::secret::SecretRef;
use tollwire_relay::asp::AspLimits;

/// Agent sessions; without it there are none.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asp {
    /// Signs messages: 64 hexadecimal digits, as `relay-broker asp secret` prints them. The same on all brokers of a store.
    pub(crate) signing_key: SecretRef,
    /// Who may have access tokens.
    #[serde(default)]
    pub(crate) client: Vec<AspClient>,
    /// Bytes of one message, as it is sent.
    #[serde(default = "frame_bytes")]
    pub(crate) frame_bytes: usize,
    /// How long a new connection may take for its `auth`.
    #[serde(default = "auth_wait")]
    pub(crate) auth_wait: HumanDuration,
    /// Time between two heartbeats.
    #[serde(default = "heartbeat")]
    pub(crate) heartbeat: HumanDuration,
    /// How long a `pong` may take.
    #[serde(default = "pong_wait")]
    pub(crate) pong_wait: HumanDuration,
    /// How long an access token is good.
    #[serde(default = "token_ttl")]
    pub(crate) token_ttl: HumanDuration,
    /// Connections of one agent to one session.
    #[serde(default = "connections")]
    pub(crate) connections: usize,
    /// Messages a second on one connection.
    #[serde(default = "sends_per_second")]
    pub(crate) sends_per_second: u32,
    /// Participants of one session.
    #[serde(default = "participants")]
    pub(crate) participants: usize,
    /// Messages of one session that are kept.
    #[serde(default = "messages")]
    pub(crate) messages: u64,
    /// How long a session is kept after its last message.
    #[serde(default = "retention")]
    pub(crate) retention: HumanDuration,
    /// How long the `id` of a `send` is remembered.
    #[serde(default = "duplicate_window")]
    pub(crate) duplicate_window: HumanDuration,
    /// How long a proof may be used again, for clients that cannot make a fresh one.
    #[serde(default = "dpop_reuse")]
    pub(crate) dpop_reuse: HumanDuration,
    /// Whether messages carry the proof that their sender showed.
    #[serde(default = "expose_dpop")]
    pub(crate) expose_dpop: bool,
}

/// One client: one agent.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AspClient {
    /// Its `client_id`, such as `oac_acme`.
    pub(crate) id: String,
    /// The hash that `relay-broker asp secret` printed beside its secret.
    pub(crate) secret_hash: MaybeEnv,
    /// The agent that speaks by it.
    pub(crate) agent: AgentUri,
    /// Its organisation.
    pub(crate) org: String,
    /// How much it is trusted: 0 to 100, with two decimals at most.
    #[serde(default = "no_trust")]
    pub(crate) trust: String,
    /// Its name for people.
    #[serde(default)]
    pub(crate) name: String,
    /// The same at length.
    #[serde(default)]
    pub(crate) description: String,
    /// What it can do, in words that other agents look for; without any they do not find it.
    #[serde(default)]
    pub(crate) capabilities: Vec<String>,
}

fn no_trust() -> String {
    "0".to_owned()
}

macro_rules! defaults {
    ($($name:ident: $type:ty = $get:expr;)*) => {
        $(fn $name() -> $type {
            let get: fn(AspLimits) -> $type = $get;
            get(AspLimits::default())
        })*
    };
}

defaults! {
    frame_bytes: usize = |limits| limits.frame_bytes_max;
    auth_wait: HumanDuration = |limits| HumanDuration(limits.auth_wait);
    heartbeat: HumanDuration = |limits| HumanDuration(limits.heartbeat);
    pong_wait: HumanDuration = |limits| HumanDuration(limits.pong_wait);
    token_ttl: HumanDuration = |limits| HumanDuration(limits.token_ttl);
    connections: usize = |limits| limits.connections_max;
    sends_per_second: u32 = |limits| limits.sends_per_second;
    participants: usize = |limits| limits.participants_max;
    messages: u64 = |limits| limits.messages_max;
    retention: HumanDuration = |limits| HumanDuration(limits.retention);
    duplicate_window: HumanDuration = |limits| HumanDuration(limits.duplicate_window);
    dpop_reuse: HumanDuration = |limits| HumanDuration(limits.dpop_reuse);
    expose_dpop: bool = |limits| limits.expose_dpop;
}
