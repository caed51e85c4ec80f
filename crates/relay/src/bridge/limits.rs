//! Every bound of the bridge, with its default.

use crate::runtime::Rate;
use std::time::Duration;

/// Bounds and time-outs of the bridge.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BridgeLimits {
    /// Bytes of an event's payload, as it stands in the frame.
    pub payload_bytes_max: usize,
    /// Bytes of an agent's frame.
    pub reply_bytes_max: usize,
    /// Events that wait for one agent, delivered ones without an answer included.
    pub queue_events_max: u64,
    /// Bytes of those events.
    pub queue_bytes_max: u64,
    /// How long an event waits for its agent.
    pub queue_ttl: Duration,
    /// How long a final answer waits for its app.
    pub reply_ttl: Duration,
    /// Answers that may wait for one app before it can ask no more.
    pub replies_max: u64,
    /// Time from delivery to an agent's first token.
    pub first_token: Duration,
    /// Time between two tokens.
    pub next_token: Duration,
    /// How long a `client_msg_id` is remembered.
    pub duplicate_window: Duration,
    /// How long a conversation is remembered after its last event.
    pub session_ttl: Duration,
    /// How long a rotated token is still good.
    pub token_overlap: Duration,
    /// Connections of one app at once, on one node.
    pub app_connections_max: usize,
    /// Events of one app, on one node.
    pub app_events: [Rate; 2],
    /// How long audit entries are kept.
    pub audit_ttl: Duration,
    /// Audit entries that are kept at most.
    pub audit_entries_max: u64,
}

impl Default for BridgeLimits {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3_600);
        const MINUTE: Duration = Duration::from_secs(60);
        Self {
            payload_bytes_max: 64 * 1024,
            reply_bytes_max: 256 * 1024,
            queue_events_max: 1_000,
            queue_bytes_max: 16 * 1024 * 1024,
            queue_ttl: DAY,
            reply_ttl: DAY,
            replies_max: 10_000,
            first_token: MINUTE.saturating_mul(5),
            next_token: MINUTE,
            duplicate_window: DAY,
            session_ttl: DAY.saturating_mul(14),
            token_overlap: Duration::from_secs(3_600),
            app_connections_max: 10,
            app_events: [
                Rate { count: 60, within: MINUTE },
                Rate { count: 3_600, within: Duration::from_secs(3_600) },
            ],
            audit_ttl: DAY.saturating_mul(30),
            audit_entries_max: 1_000_000,
        }
    }
}
