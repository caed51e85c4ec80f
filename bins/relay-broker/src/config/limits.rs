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
}

impl Default for Limits {
    fn default() -> Self {
        let relay = tollwire_relay::Limits::default();
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
    ] {
        if value.0.is_zero() {
            return Err(file.error(format!("limits.{key}"), "longer than nothing"));
        }
    }
    Ok(())
}
