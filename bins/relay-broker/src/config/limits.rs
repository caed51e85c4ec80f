//! `[limits]`: every bound that an operator may want to move.

use super::File;
use serde::Deserialize;
use std::time::Duration;
use tollwire_ops::config::Loaded;
use tollwire_ops::duration::HumanDuration;

/// Bounds and time-outs, with their defaults.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// TCP connections at once.
    pub(crate) connections: usize,
    /// TCP connections at once from one address.
    pub(crate) connections_per_address: usize,
    /// Time for a request's head.
    pub(crate) header_read: HumanDuration,
    /// How long an HTTP client may take no byte of an answer.
    pub(crate) answer_stall: HumanDuration,
    /// Bytes of a request's head.
    pub(crate) header_bytes: usize,
    /// WebSockets at once.
    pub(crate) sockets: usize,
    /// Calls in flight on one WebSocket.
    pub(crate) calls_per_socket: usize,
    /// Calls in flight in all.
    pub(crate) calls: usize,
    /// Bytes of one WebSocket message.
    pub(crate) frame_bytes: usize,
    /// Bytes of a call's request body.
    pub(crate) request_bytes: usize,
    /// Bytes of an API's answer.
    pub(crate) answer_bytes: usize,
    /// Bytes of answers that wait for one WebSocket.
    pub(crate) queue_bytes: usize,
    /// Time between two pings.
    pub(crate) heartbeat: HumanDuration,
    /// How long a WebSocket may take for one message.
    pub(crate) stall: HumanDuration,
    /// How long a closed WebSocket waits for the peer's own Close.
    pub(crate) close_wait: HumanDuration,
    /// Time to connect to an API.
    pub(crate) upstream_connect: HumanDuration,
    /// Time for the head of an API's answer, and again for its body.
    pub(crate) upstream_answer: HumanDuration,
    /// How long calls in flight go on after SIGTERM.
    pub(crate) drain: HumanDuration,
    /// Bytes of an event's payload.
    pub(crate) payload_bytes: usize,
    /// Bytes of an agent's frame.
    pub(crate) reply_bytes: usize,
    /// Events that wait for one agent.
    pub(crate) agent_queue_events: u64,
    /// Bytes of those.
    pub(crate) agent_queue_bytes: u64,
    /// How long an event waits for its agent.
    pub(crate) queue_ttl: HumanDuration,
    /// How long a final answer waits for its app.
    pub(crate) reply_ttl: HumanDuration,
    /// Answers that may wait for one app.
    pub(crate) app_replies: u64,
    /// Time from delivery to an agent's first token.
    pub(crate) agent_first_token: HumanDuration,
    /// Time between two tokens.
    pub(crate) agent_next_token: HumanDuration,
    /// How long a `client_msg_id` is remembered.
    pub(crate) duplicate_window: HumanDuration,
    /// How long a conversation is remembered after its last event.
    pub(crate) session_ttl: HumanDuration,
    /// How long a rotated token is still good.
    pub(crate) token_overlap: HumanDuration,
    /// Connections of one app at once.
    pub(crate) app_connections: usize,
    /// Events of one app a minute.
    pub(crate) app_events_per_minute: u32,
    /// Events of one app an hour.
    pub(crate) app_events_per_hour: u32,
    /// How long audit entries are kept.
    pub(crate) audit_ttl: HumanDuration,
    /// Audit entries that are kept at most.
    pub(crate) audit_entries: u64,
    /// How long a turn of a settlement key lasts if nobody ends it.
    pub(crate) settlement_lease: HumanDuration,
    /// Payments of one payer and hour that may be sent and come to nothing; 0 for no bound.
    pub(crate) failed_payments: u32,
}

impl Default for Limits {
    fn default() -> Self {
        let relay = tollwire_relay::Limits::default();
        let bridge = tollwire_relay::bridge::BridgeLimits::default();
        let [minute, hour] = bridge.app_events;
        let listener = tollwire_ops::listener::Limits::default();
        Self {
            connections: listener.connections_max,
            connections_per_address: listener.connections_per_address_max,
            header_read: HumanDuration(listener.header_read),
            answer_stall: HumanDuration(listener.answer_stall),
            header_bytes: listener.header_bytes_max,
            sockets: relay.sockets_max,
            calls_per_socket: relay.calls_per_socket_max,
            calls: relay.calls_max,
            frame_bytes: relay.frame_bytes_max,
            request_bytes: relay.request_bytes_max,
            answer_bytes: relay.answer_bytes_max,
            queue_bytes: relay.queue_bytes_max,
            heartbeat: HumanDuration(relay.heartbeat),
            stall: HumanDuration(relay.stall),
            close_wait: HumanDuration(relay.close_wait),
            upstream_connect: HumanDuration(relay.connect),
            upstream_answer: HumanDuration(relay.answer),
            drain: HumanDuration(Duration::from_secs(30)),
            payload_bytes: bridge.payload_bytes_max,
            reply_bytes: bridge.reply_bytes_max,
            agent_queue_events: bridge.queue_events_max,
            agent_queue_bytes: bridge.queue_bytes_max,
            queue_ttl: HumanDuration(bridge.queue_ttl),
            reply_ttl: HumanDuration(bridge.reply_ttl),
            app_replies: bridge.replies_max,
            agent_first_token: HumanDuration(bridge.first_token),
            agent_next_token: HumanDuration(bridge.next_token),
            duplicate_window: HumanDuration(bridge.duplicate_window),
            session_ttl: HumanDuration(bridge.session_ttl),
            token_overlap: HumanDuration(bridge.token_overlap),
            app_connections: bridge.app_connections_max,
            app_events_per_minute: minute.count,
            app_events_per_hour: hour.count,
            audit_ttl: HumanDuration(bridge.audit_ttl),
            audit_entries: bridge.audit_entries_max,
            settlement_lease: HumanDuration(tollwire_settlement::SettlerConfig::default().lease),
            failed_payments: tollwire_settlement::SettlerConfig::default().failures_per_payer,
        }
    }
}

/// Bounds that would let nothing through.
pub(super) fn validate(file: &Loaded<File>) -> Result<(), tollwire_ops::Error> {
    let limits = &file.value.limits;
    for (key, value) in [
        ("sockets", limits.sockets),
        ("calls_per_socket", limits.calls_per_socket),
        ("calls", limits.calls),
        ("frame_bytes", limits.frame_bytes),
        ("queue_bytes", limits.queue_bytes),
        ("payload_bytes", limits.payload_bytes),
        ("reply_bytes", limits.reply_bytes),
        ("app_connections", limits.app_connections),
    ] {
        if value == 0 {
            return Err(file.error(format!("limits.{key}"), "at least 1"));
        }
    }
    for (key, value) in [
        ("heartbeat", limits.heartbeat),
        ("stall", limits.stall),
        ("upstream_connect", limits.upstream_connect),
        ("upstream_answer", limits.upstream_answer),
        ("queue_ttl", limits.queue_ttl),
        ("reply_ttl", limits.reply_ttl),
        ("agent_first_token", limits.agent_first_token),
        ("agent_next_token", limits.agent_next_token),
    ] {
        if value.0.is_zero() {
            return Err(file.error(format!("limits.{key}"), "longer than nothing"));
        }
    }
    Ok(())
}
