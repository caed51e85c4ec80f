//! What a facilitator said of a payment.

use std::fmt;
use tollwire_tests::http::Answer;

/// Which question was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Verify,
    Settle,
}

/// The answer, as far as both facilitators can agree on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Valid, or settled.
    Yes,
    /// Refused, with the reason that official clients read.
    No(String),
    /// No x402 answer at all, with this status.
    Status(u16),
}

impl Call {
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Verify => "/verify",
            Self::Settle => "/settle",
        }
    }
}

impl Verdict {
    pub(crate) fn of(call: Call, answer: &Answer) -> Self {
        let status = Self::Status(answer.status.as_u16());
        let Ok(said) = serde_json::from_slice::<serde_json::Value>(&answer.body) else { return status };
        let (verdict, reason) = match call {
            Call::Verify => (&said["isValid"], &said["invalidReason"]),
            Call::Settle => (&said["success"], &said["errorReason"]),
        };
        match verdict.as_bool() {
            Some(true) => Self::Yes,
            // What is longer than a line is another library's message.
            Some(false) => {
                let reason = reason.as_str().unwrap_or_default();
                Self::No(reason.lines().next().unwrap_or_default().to_owned())
            }
            None => status,
        }
    }

    /// Whether it is a failure of the server's own.
    pub(crate) fn failed(&self) -> bool {
        matches!(self, Self::Status(status) if *status >= 500)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yes => f.pad("yes"),
            Self::No(reason) => f.pad(reason),
            Self::Status(status) => f.pad(&format!("HTTP {status}")),
        }
    }
}
