//! What became of a payment, as far as a facilitator's answer tells. Doubt is the answer to everything that does not.

use super::desk::Paid;
use tollwire_x402::facilitator::{Failure, SettleResponse};
use tollwire_x402::reason;

/// What became of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fate {
    /// The money moved.
    Settled(Paid),
    /// It did not, and will not by this asking: why, in the facilitator's word and for people.
    Refused(String, String),
    /// The account does not suffice any more.
    Short,
    /// The account serves nothing any more: why, for people.
    Over(String),
    /// Nobody knows yet.
    Unknown,
}

/// Reads an answer of `/settle`. `again` says that the same payment may have been settled by an earlier asking; then a
/// refusal decides something only if the facilitator remembers what it settled ("nonce already used" may be our own
/// success).
pub(super) fn fate(answer: Result<SettleResponse, Failure>, again: bool, remembers: bool) -> Fate {
    let decides = !again || remembers;
    match answer {
        Ok(settled) if settled.success => Fate::Settled(Paid::Payment(Box::new(settled))),
        Ok(refused) => {
            let reason = refused.error_reason.unwrap_or_default();
            let open = reason.is_empty()
                || reason == reason::SETTLEMENT_PENDING
                || reason == reason::UNEXPECTED_SETTLE_ERROR
                || reason.contains("timeout")
                || reason.contains("timed_out");
            if open || !decides {
                return Fate::Unknown;
            }
            let message = refused.error_message.unwrap_or_else(|| "the payment was not settled".to_owned());
            Fate::Refused(reason, message)
        }
        Err(Failure::Malformed(why) | Failure::Conflict(why) | Failure::Identifier(why)) if decides => {
            Fate::Refused(reason::INVALID_PAYLOAD.to_owned(), why)
        }
        Err(failure) => {
            tracing::warn!(%failure, "the facilitator does not say what became of a payment");
            Fate::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(reason: &str) -> SettleResponse {
        serde_json::from_value(json!({ "success": false, "errorReason": reason })).unwrap()
    }

    #[test]
    fn what_does_not_decide_is_doubt() {
        let settled: SettleResponse = serde_json::from_value(json!({ "success": true })).unwrap();
        for again in [false, true] {
            for remembers in [false, true] {
                assert!(matches!(fate(Ok(settled.clone()), again, remembers), Fate::Settled(_)));
                for open in [
                    "",
                    "settlement_pending",
                    "unexpected_settle_error",
                    "transaction_confirmation_timed_out",
                ] {
                    assert_eq!(fate(Ok(refused(open)), again, remembers), Fate::Unknown, "{open}");
                }
                let lost = Failure::Unreachable("no answer".into());
                assert_eq!(fate(Err(lost), again, remembers), Fate::Unknown);
                let used = fate(Ok(refused("invalid_exact_evm_nonce_already_used")), again, remembers);
                assert_eq!(used == Fate::Unknown, again && !remembers, "{used:?}");
                let bad = fate(Err(Failure::Malformed("no".into())), again, remembers);
                assert_eq!(bad == Fate::Unknown, again && !remembers, "{bad:?}");
            }
        }
    }
}
