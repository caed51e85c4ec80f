//! Answers of a store that it must not give.

use crate::SettleError;
use tollwire_ledger::Outcome;

/// A store that answers a command with an outcome its documentation excludes is not to be trusted further.
pub(super) fn unexpected(command: &'static str, outcome: &Outcome) -> SettleError {
    let name = match outcome {
        Outcome::Done(_) => "done",
        Outcome::Replayed(_) => "replayed",
        Outcome::Held { .. } => "held",
        Outcome::Foreign => "foreign",
        Outcome::Exhausted { .. } => "exhausted",
        Outcome::TooMany => "too many",
        Outcome::Expired => "expired",
        Outcome::Revoked => "revoked",
        Outcome::Closed => "closed",
        Outcome::Lapsed => "lapsed",
        Outcome::Fenced => "fenced",
        Outcome::Conflict => "conflict",
        Outcome::Unknown => "unknown",
    };
    SettleError::Store(tollwire_ledger::Error::Corrupt(format!("{command} was answered {name}")))
}

/// A store that leaves out the payment it was asked about is not to be trusted further.
pub(super) fn incomplete(command: &'static str) -> SettleError {
    let detail = format!("{command} was answered without the payment");
    SettleError::Store(tollwire_ledger::Error::Corrupt(detail))
}
