//! Where a session stands.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// Nobody has said anything.
    #[default]
    Idle,
    /// One has invited the other.
    Invited,
    /// The invitation was accepted.
    Introduced,
    /// They talk; nothing binds.
    Conversing,
    /// One has bound itself, and the other has not answered.
    Agreeing,
    /// Both are bound.
    Executing,
    /// A person has to look at it.
    Escalated,
    /// Over.
    Closed,
    /// Over, without a result.
    Failed,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Idle,
        Self::Invited,
        Self::Introduced,
        Self::Conversing,
        Self::Agreeing,
        Self::Executing,
        Self::Escalated,
        Self::Closed,
        Self::Failed,
    ];

    /// As it stands in frames.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "IDLE",
            Self::Invited => "INVITED",
            Self::Introduced => "INTRODUCED",
            Self::Conversing => "CONVERSING",
            Self::Agreeing => "AGREEING",
            Self::Executing => "EXECUTING",
            Self::Escalated => "ESCALATED",
            Self::Closed => "CLOSED",
            Self::Failed => "FAILED",
        }
    }

    /// Where a session stands when what was due in this state has come by time alone.
    #[must_use]
    pub const fn lapsed(self) -> Self {
        match self {
            Self::Invited | Self::Escalated => Self::Failed,
            Self::Agreeing => Self::Conversing,
            other => other,
        }
    }

    /// Whether nothing can be said any more.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Closed | Self::Failed)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
