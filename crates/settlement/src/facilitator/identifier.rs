//! The `payment-identifier` extension: a client's own name for one payment (`specs/extensions/payment_identifier.md`).

use serde_json::Value;
use sha2::{Digest, Sha256};
use std::time::Duration;
use tollwire_ledger::model::Intent;
use tollwire_x402::PaymentId;
use tollwire_x402::facilitator::{Failure, Request};

/// The extension's name.
pub const PAYMENT_IDENTIFIER: &str = "payment-identifier";

/// How long an identifier stays its payment's: as good as for ever, as payments are kept.
pub(super) const KEPT_FOR: Duration = Duration::from_hours(24 * 366 * 10);

/// Fewest and most characters of an identifier.
const LENGTH: std::ops::RangeInclusive<usize> = 16..=128;

/// What a request says of the extension: `Ok(None)` if it has no identifier and needs none.
pub(super) fn of(request: &Request) -> Result<Option<String>, Failure> {
    let Request::V2(payload, _) = request else { return Ok(None) };
    let extension = payload.extensions.as_ref().and_then(|all| all.get(PAYMENT_IDENTIFIER));
    let Some(info) = extension.and_then(|extension| extension.get("info")) else { return Ok(None) };
    match info.get("id") {
        None | Some(Value::Null) if info.get("required") == Some(&Value::Bool(true)) => {
            let rule = "the offer requires it: put an id of 16 to 128 characters into the extension's info";
            Err(Failure::Identifier(rule.into()))
        }
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(id)) if is_well_formed(id) => Ok(Some(id.clone())),
        Some(_) => {
            let rule = "info.id is 16 to 128 characters of a-z, A-Z, 0-9, _ and -";
            Err(Failure::Identifier(rule.into()))
        }
    }
}

fn is_well_formed(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    LENGTH.contains(&id.len()) && id.bytes().all(allowed)
}

/// What an identifier is bound to: the payment and all of its terms.
pub(super) fn fingerprint(id: &PaymentId, intent: &Intent) -> String {
    hex::encode(Sha256::digest(format!("{id}\n{}", intent.terms())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_have_16_to_128_plain_characters() {
        for good in ["0123456789abcdef", "pay_7d5d747be160e280", &"-".repeat(128)] {
            assert!(is_well_formed(good), "{good}");
        }
        for bad in ["", "0123456789abcde", "0123456789abcde/", "0123456789abcdé", &"x".repeat(129)] {
            assert!(!is_well_formed(bad), "{bad}");
        }
    }
}
