//! Every bound of the broker, with its default.

use std::time::Duration;

/// Bounds and time-outs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// WebSockets open at once.
    pub sockets_max: usize,
    /// Calls in flight on one WebSocket.
    pub calls_per_socket_max: usize,
    /// Calls in flight in all, over WebSockets and HTTP.
    pub calls_max: usize,
    /// Bytes of one WebSocket message; above it the connection is closed with 1009.
    pub frame_bytes_max: usize,
    /// Bytes of a call's request body.
    pub request_bytes_max: usize,
    /// Bytes of an API's answer.
    pub answer_bytes_max: usize,
    /// Bytes of answers that wait for one WebSocket to take them.
    pub queue_bytes_max: usize,
    /// Time between two pings; a peer that says nothing for two of them is gone.
    pub heartbeat: Duration,
    /// How long a peer may take for one message before it is too slow.
    pub stall: Duration,
    /// How long a closed WebSocket waits for the peer's own Close.
    pub close_wait: Duration,
    /// Time to connect to an API.
    pub connect: Duration,
    /// Time for the head of an API's answer, and again for its body.
    pub answer: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            sockets_max: 20_000,
            calls_per_socket_max: 64,
            calls_max: 4_096,
            frame_bytes_max: 2 * MIB,
            request_bytes_max: MIB,
            answer_bytes_max: MIB,
            queue_bytes_max: MIB,
            heartbeat: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            close_wait: Duration::from_secs(5),
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(30),
        }
    }
}
