//! Reading JSON messages, with errors that quote nothing of what they read: payments pass through here.

use crate::Error;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;

/// Reads a message; `message` names it in errors.
///
/// Depth is bounded by serde_json (128); length by the caller. A field given twice is refused.
pub fn read<T: DeserializeOwned>(message: &'static str, text: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(text).map_err(|error| match error.classify() {
        Category::Data => data_error(message, &error),
        Category::Io | Category::Syntax | Category::Eof => Error::Json { message },
    })
}

/// Reads a message out of a JSON value; `message` names it in errors.
pub fn from_value<T: DeserializeOwned>(message: &'static str, value: Value) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|error| data_error(message, &error))
}

/// The parser's message without what it quotes from the input.
fn data_error(message: &'static str, error: &serde_json::Error) -> Error {
    let text = error.to_string();
    let detail = match text.split_once(": ") {
        // `invalid type: string "<input>", expected a map`: the input may itself contain ", expected ".
        Some((kind @ ("invalid type" | "invalid value"), rest)) => {
            let expected = rest.rsplit_once(", expected ").map_or("another form", |(_, expected)| expected);
            format!("{kind}, expected {expected}")
        }
        _ => text,
    };
    Error::Message { message, detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{facilitator::RawRequest, v2};

    #[test]
    fn errors_say_what_was_expected_and_quote_nothing() {
        let secret = "s3cret, expected s3cret";
        for (text, expected) in [
            (format!(r#"{{"x402Version":"{secret}"}}"#), "invalid type, expected u8"),
            (format!(r#"{{"x402Version":2,"resource":"{secret}"}}"#), "expected struct ResourceInfo"),
            (
                format!(
                    r#"{{"x402Version":2,"resource":{{"url":"x"}},"accepts":[{{"amount":"{secret}"}}]}}"#
                ),
                "not a USDC amount",
            ),
            (format!(r#"{{"x402Version":2,"{secret}":1}}"#), "missing field `resource`"),
            (format!(r#""{secret}""#), "expected struct PaymentRequired"),
        ] {
            let error =
                read::<v2::PaymentRequired>("PaymentRequired", text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("s3cret"), "{error}");
        }
        let error = read::<v2::PaymentRequired>("PaymentRequired", b"{s3cret").unwrap_err();
        assert_eq!(error.to_string(), "PaymentRequired is not JSON");
    }

    #[test]
    fn a_field_given_twice_and_bottomless_nesting_are_refused() {
        let twice = br#"{"paymentPayload":{},"paymentPayload":{"a":1},"paymentRequirements":{}}"#;
        assert!(read::<RawRequest>("request", twice).is_err());
        let deep = format!(
            r#"{{"paymentPayload":{}{},"paymentRequirements":{{}}}}"#,
            "[".repeat(9000),
            "]".repeat(9000)
        );
        assert!(read::<RawRequest>("request", deep.as_bytes()).is_err());
    }
}
