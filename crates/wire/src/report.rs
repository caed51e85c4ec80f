//! What a stream was, told after it has ended.

use std::time::Duration;

use crate::Violation;

/// The two peers of a proxied stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The paying client.
    Agent,
    /// The provider's server.
    Upstream,
}

impl Side {
    /// The word for logs and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Upstream => "upstream",
        }
    }
}

/// What ended a stream first. What followed (the other side's Close, our own close frames) is in [`Report`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// This side sent a Close frame; its code is in its [`Traffic`].
    Closed(Side),
    /// This side's connection ended or broke without a Close frame.
    Gone(Side),
    /// [`Control::close`](crate::Control::close) asked for it.
    Requested,
    /// This side broke the protocol or a size limit.
    Violated(Side, Violation),
    /// This side sent more control frames in a second than it may.
    Flooded(Side),
    /// This side did not take bytes that waited for it.
    Stalled(Side),
    /// No byte came from either side for the idle limit.
    Idle,
}

impl End {
    /// A fixed word for logs and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed(Side::Agent) => "agent_closed",
            Self::Closed(Side::Upstream) => "upstream_closed",
            Self::Gone(Side::Agent) => "agent_gone",
            Self::Gone(Side::Upstream) => "upstream_gone",
            Self::Requested => "requested",
            Self::Violated(Side::Agent, _) => "agent_violation",
            Self::Violated(Side::Upstream, _) => "upstream_violation",
            Self::Flooded(Side::Agent) => "agent_flood",
            Self::Flooded(Side::Upstream) => "upstream_flood",
            Self::Stalled(Side::Agent) => "agent_stalled",
            Self::Stalled(Side::Upstream) => "upstream_stalled",
            Self::Idle => "idle",
        }
    }
}

/// What one side sent, as far as it was passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Wire bytes, headers included.
    pub bytes: u64,
    /// Data frames begun: text, binary and continuation.
    pub data_frames: u64,
    /// Messages begun: a message counts at its first frame.
    pub messages: u64,
    /// Control frames: ping, pong, close.
    pub control_frames: u64,
    /// The code of the Close frame this side sent: `Some(1005)` for one without a code (RFC 6455, section
    /// 7.1.5), `None` if it sent no whole Close frame.
    pub close_code: Option<u16>,
}

/// How a stream ended and what it carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// What ended it first.
    pub end: End,
    /// What the agent sent.
    pub from_agent: Traffic,
    /// What the upstream sent.
    pub from_upstream: Traffic,
    /// The code of the Close frame the agent got, whether passed on or our own; `None` if there was no place
    /// for one (the stream broke inside a frame, or the agent took nothing more).
    pub agent_got: Option<u16>,
    /// How long after the start the first data frame came from the upstream.
    pub first_upstream_data: Option<Duration>,
    /// How long after the start its end began: the moment of [`Report::end`], before last words.
    pub ended_after: Duration,
    /// How long the stream lasted, from start to the end of both sockets.
    pub lasted: Duration,
}
