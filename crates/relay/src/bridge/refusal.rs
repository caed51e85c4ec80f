//! Why something is not done, as an error frame says it.

use std::time::Duration;

/// What an error frame carries in `code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    InvalidMessage(&'static str),
    NotAllowed,
    AgentNotFound,
    PayloadTooLarge,
    RateLimited(Duration),
    /// More answers wait for the app than it may leave lying.
    AnswersWaiting,
    AgentOffline(&'static str),
    AgentTimeout,
    /// The broker's store did not take it.
    Unavailable,
}

impl Refusal {
    /// Its code.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::InvalidMessage(_) => "INVALID_MESSAGE",
            Self::NotAllowed => "NOT_ALLOWED",
            Self::AgentNotFound => "AGENT_NOT_FOUND",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::RateLimited(_) | Self::AnswersWaiting => "RATE_LIMITED",
            Self::AgentOffline(_) => "AGENT_OFFLINE",
            Self::AgentTimeout => "AGENT_TIMEOUT",
            Self::Unavailable => "UNAVAILABLE",
        }
    }

    /// What it says to people; quotes nothing of the input.
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::InvalidMessage(why) | Self::AgentOffline(why) => why,
            Self::NotAllowed => "this app may not send to this agent",
            Self::AgentNotFound => "no such agent",
            Self::PayloadTooLarge => "the payload is too large",
            Self::RateLimited(_) => "too many events",
            Self::AnswersWaiting => "too many answers wait for this app: take them first",
            Self::AgentTimeout => "the agent did not answer in time",
            Self::Unavailable => "the event could not be kept: send it again",
        }
    }
}
