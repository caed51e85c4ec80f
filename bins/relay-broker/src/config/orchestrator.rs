//! `[orchestrator]`: people who talk to it, and agents that work for them.

use super::File;
use serde::Deserialize;
use tollwire_ops::config::Loaded;
use tollwire_ops::duration::HumanDuration;
use tollwire_relay::bridge::AgentId;
use tollwire_relay::orchestrator::OrchestratorLimits;

/// The orchestrator; without it there is none.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Orchestrator {
    /// The bridge agent that chooses who serves a message.
    pub(crate) brain: AgentId,
    /// Whose agents of the bridge it may ask.
    #[serde(default)]
    pub(crate) org: String,
    /// Bytes of one frame from a person.
    #[serde(default = "frame_bytes")]
    pub(crate) frame_bytes: usize,
    /// Bytes of one message's content.
    #[serde(default = "content_bytes")]
    pub(crate) content_bytes: usize,
    /// Messages of one session that wait.
    #[serde(default = "queue")]
    pub(crate) queue: usize,
    /// Frames that are kept for a person who is away.
    #[serde(default = "unseen")]
    pub(crate) unseen: usize,
    /// How long a session's token is good.
    #[serde(default = "token_ttl")]
    pub(crate) token_ttl: HumanDuration,
    /// How long a person may take to answer a payment request.
    #[serde(default = "payment_wait")]
    pub(crate) payment_wait: HumanDuration,
    /// How long the brain may take.
    #[serde(default = "brain_wait")]
    pub(crate) brain_wait: HumanDuration,
    /// How long a health check may take.
    #[serde(default = "health_wait")]
    pub(crate) health_wait: HumanDuration,
    /// How long a good health check is believed.
    #[serde(default = "health_cache")]
    pub(crate) health_cache: HumanDuration,
    /// How often agents that are reached over HTTP are asked how they are.
    #[serde(default = "health_every")]
    pub(crate) health_every: HumanDuration,
    /// After how many failures in a row an agent is left out.
    #[serde(default = "health_failures")]
    pub(crate) health_failures: u32,
    /// How long an agent may take for one job.
    #[serde(default = "invoke_wait")]
    pub(crate) invoke_wait: HumanDuration,
    /// How long a session is kept after it was last changed.
    #[serde(default = "retention")]
    pub(crate) retention: HumanDuration,
    /// Sessions of one person that are not closed.
    #[serde(default = "sessions")]
    pub(crate) sessions: usize,
    /// Registered agents.
    #[serde(default = "agents")]
    pub(crate) agents: usize,
}

impl Orchestrator {
    /// Its bounds.
    pub(crate) fn limits(&self) -> OrchestratorLimits {
        let mut limits = OrchestratorLimits::default();
        limits.frame_bytes_max = self.frame_bytes;
        limits.content_bytes_max = self.content_bytes;
        limits.queue_max = self.queue;
        limits.unseen_max = self.unseen;
        limits.token_ttl = self.token_ttl.0;
        limits.payment_wait = self.payment_wait.0;
        limits.brain = self.brain_wait.0;
        limits.health = self.health_wait.0;
        limits.health_cache = self.health_cache.0;
        limits.health_every = self.health_every.0;
        limits.health_failures = self.health_failures;
        limits.invoke = self.invoke_wait.0;
        limits.retention = self.retention.0;
        limits.sessions_max = self.sessions;
        limits.agents_max = self.agents;
        limits
    }
}

/// Bounds that would let nothing through, and what it needs beside it.
pub(super) fn validate(file: &Loaded<File>) -> Result<(), tollwire_ops::Error> {
    let Some(written) = &file.value.orchestrator else { return Ok(()) };
    if file.value.token_key.is_none() {
        let why =
            "the orchestrator needs it: API keys are hashed with it, and its brain is an agent of the bridge";
        return Err(file.error("token_key", why));
    }
    for (key, zero) in [
        ("frame_bytes", written.frame_bytes == 0),
        ("content_bytes", written.content_bytes == 0),
        ("queue", written.queue == 0),
        ("unseen", written.unseen == 0),
        ("token_ttl", written.token_ttl.0.is_zero()),
        ("payment_wait", written.payment_wait.0.is_zero()),
        ("brain_wait", written.brain_wait.0.is_zero()),
        ("health_wait", written.health_wait.0.is_zero()),
        ("health_every", written.health_every.0.is_zero()),
        ("health_failures", written.health_failures == 0),
        ("invoke_wait", written.invoke_wait.0.is_zero()),
        ("retention", written.retention.0.is_zero()),
        ("sessions", written.sessions == 0),
        ("agents", written.agents == 0),
    ] {
        if zero {
            return Err(file.error(format!("orchestrator.{key}"), "more than that"));
        }
    }
    Ok(())
}

macro_rules! defaults {
    ($($name:ident: $type:ty = $get:expr;)*) => {
        $(fn $name() -> $type {
            let get: fn(OrchestratorLimits) -> $type = $get;
            get(OrchestratorLimits::default())
        })*
    };
}

defaults! {
    frame_bytes: usize = |limits| limits.frame_bytes_max;
    content_bytes: usize = |limits| limits.content_bytes_max;
    queue: usize = |limits| limits.queue_max;
    unseen: usize = |limits| limits.unseen_max;
    token_ttl: HumanDuration = |limits| HumanDuration(limits.token_ttl);
    payment_wait: HumanDuration = |limits| HumanDuration(limits.payment_wait);
    brain_wait: HumanDuration = |limits| HumanDuration(limits.brain);
    health_wait: HumanDuration = |limits| HumanDuration(limits.health);
    health_cache: HumanDuration = |limits| HumanDuration(limits.health_cache);
    health_every: HumanDuration = |limits| HumanDuration(limits.health_every);
    health_failures: u32 = |limits| limits.health_failures;
    invoke_wait: HumanDuration = |limits| HumanDuration(limits.invoke);
    retention: HumanDuration = |limits| HumanDuration(limits.retention);
    sessions: usize = |limits| limits.sessions_max;
    agents: usize = |limits| limits.agents_max;
}
