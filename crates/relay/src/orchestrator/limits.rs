//! Every bound of the orchestrator, with its default.

use std::time::Duration;

/// Bounds and time-outs of the orchestrator.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OrchestratorLimits {
    /// Bytes of one frame from a person.
    pub frame_bytes_max: usize,
    /// Bytes of one message's content.
    pub content_bytes_max: usize,
    /// Messages of one session that wait while another is served.
    pub queue_max: usize,
    /// Frames that are kept for a person who is away.
    pub unseen_max: usize,
    /// How long a session's token is good.
    pub token_ttl: Duration,
    /// How long a person may take to answer a payment request.
    pub payment_wait: Duration,
    /// How long the brain may take.
    pub brain: Duration,
    /// How long a health check may take, and what an agent says of itself.
    pub health: Duration,
    /// How long a good health check, and what an agent says of itself, are believed.
    pub health_cache: Duration,
    /// How often agents that are reached over HTTP are asked how they are.
    pub health_every: Duration,
    /// After how many failures in a row an agent is left out until it is well.
    pub health_failures: u32,
    /// How long an agent may take for one job.
    pub invoke: Duration,
    /// How long a session is kept after it was last changed.
    pub retention: Duration,
    /// Sessions of one person that are not closed.
    pub sessions_max: usize,
    /// Registered agents.
    pub agents_max: usize,
}

impl Default for OrchestratorLimits {
    fn default() -> Self {
        Self {
            frame_bytes_max: 256 * 1024,
            content_bytes_max: 32 * 1024,
            queue_max: 16,
            unseen_max: 64,
            token_ttl: Duration::from_secs(300),
            payment_wait: Duration::from_secs(120),
            brain: Duration::from_secs(30),
            health: Duration::from_secs(3),
            health_cache: Duration::from_secs(10),
            health_every: Duration::from_secs(60),
            health_failures: 5,
            invoke: Duration::from_secs(30),
            retention: Duration::from_secs(7 * 86_400),
            sessions_max: 100,
            agents_max: 500,
        }
    }
}
