//! Every bound of a proxied stream, in one place.

use std::time::Duration;

/// Bounds of one proxied stream. The defaults let every message of up to 16 MiB pass.
///
/// Sizes are payload bytes as they stand on the wire, compressed if the peers compress. Build with
/// `Limits::default()` and set fields; one `Arc<Limits>` can serve all streams of a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Longest payload of one frame, in bytes; beyond it the stream ends with 1009. Default 16 MiB.
    pub frame_bytes_max: u64,
    /// Longest payload of one message over all its fragments, in bytes; beyond it 1009. Default 16 MiB.
    pub message_bytes_max: u64,
    /// Control frames (and empty continuation fragments, which carry nothing either) that one side may send
    /// within a second; beyond it the stream ends. Default 100.
    pub control_frames_per_sec: u32,
    /// How long a side may refuse to take bytes that wait for it before the stream ends with 4013. Default 10 s.
    pub stall: Duration,
    /// How long a stream may carry no byte at all in either direction before it ends with 1001; found out
    /// within a quarter more. `None`, the default, lets a silent feed live: only the caller's maximum ends it.
    pub idle: Option<Duration>,
    /// How long a requested close waits for the end of the message being sent to the agent; after it, the end
    /// of the frame is good enough. Default 1 s.
    pub close_grace: Duration,
    /// How long the last words may take, counted from the first close of either side: frames still on their
    /// way, the other side's Close, and the end of both sockets. Default 5 s.
    pub close_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes_max: 16 << 20,
            message_bytes_max: 16 << 20,
            control_frames_per_sec: 100,
            stall: Duration::from_secs(10),
            idle: None,
            close_grace: Duration::from_secs(1),
            close_wait: Duration::from_secs(5),
        }
    }
}
