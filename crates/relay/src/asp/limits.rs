//! Every bound of agent sessions, with its default.

use std::time::Duration;

/// Bounds and time-outs of agent sessions.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AspLimits {
    /// Bytes of one `send` frame, and of one message over HTTP.
    pub frame_bytes_max: usize,
    /// How long a new connection may take for its `auth`.
    pub auth_wait: Duration,
    /// Time between two heartbeats.
    pub heartbeat: Duration,
    /// How long a `pong` may take; three in a row that do not come end the connection.
    pub pong_wait: Duration,
    /// How long an access token is good.
    pub token_ttl: Duration,
    /// Connections of one agent to one session, per node.
    pub connections_max: usize,
    /// Messages a second on one connection.
    pub sends_per_second: u32,
    /// Participants of one session.
    pub participants_max: usize,
    /// Messages of one session that are kept; older ones are forgotten.
    pub messages_max: u64,
    /// How long a session is kept after its last message.
    pub retention: Duration,
    /// How long an `id` of a `send` makes it the same one.
    pub duplicate_window: Duration,
    /// How long a proof may be used again; nothing for never.
    pub dpop_reuse: Duration,
    /// Whether messages carry the proof that their sender showed.
    pub expose_dpop: bool,
}

impl Default for AspLimits {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(86_400);
        Self {
            frame_bytes_max: 256 * 1024,
            auth_wait: Duration::from_secs(10),
            heartbeat: Duration::from_secs(30),
            pong_wait: Duration::from_secs(10),
            token_ttl: Duration::from_secs(3_600),
            connections_max: 8,
            sends_per_second: 1_000,
            participants_max: 8,
            messages_max: 100_000,
            retention: DAY.saturating_mul(7),
            duplicate_window: DAY,
            dpop_reuse: Duration::ZERO,
            expose_dpop: true,
        }
    }
}
