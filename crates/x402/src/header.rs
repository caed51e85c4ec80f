//! Payment headers: standard base64 of UTF-8 JSON (transports-v2/http.md; base64url is refused, as the official
//! decoders refuse it).

use crate::{Error, json};
use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ops::RangeInclusive;

/// v2: what to pay, on a 402.
pub const PAYMENT_REQUIRED: &str = "payment-required";
/// v2: the payment, on the paid request.
pub const PAYMENT_SIGNATURE: &str = "payment-signature";
/// v2: the settlement, on the answer.
pub const PAYMENT_RESPONSE: &str = "payment-response";
/// v1: the payment, on the paid request.
pub const X_PAYMENT: &str = "x-payment";
/// v1: the settlement, on the answer.
pub const X_PAYMENT_RESPONSE: &str = "x-payment-response";
/// Sign-in by the payer's wallet (extension `sign-in-with-x`).
pub const SIGN_IN_WITH_X: &str = "sign-in-with-x";
/// A secret of the client's choice that lets it collect its payment's answer again.
pub const TOLLWIRE_CLAIM: &str = "tollwire-claim";

/// Carries the session token of a prepaid account beside a call; the call's `Authorization` is the API's.
pub const TOLLWIRE_SESSION: &str = "tollwire-session";
/// The client's idempotency key for opening a stream.
pub const TOLLWIRE_STREAM: &str = "tollwire-stream";

/// The shortest and longest `Tollwire-Claim`, in characters.
pub const CLAIM_CHARS: RangeInclusive<usize> = 16..=256;

/// What a `Tollwire-Claim` must be, for errors.
pub const CLAIM_RULE: &str = "write 16 to 256 printable ASCII characters, chosen at random";

/// Whether a value may be a `Tollwire-Claim`.
pub fn is_claim(value: &[u8]) -> bool {
    CLAIM_CHARS.contains(&value.len()) && value.iter().all(u8::is_ascii_graphic)
}

/// The longest payment header we read, in bytes.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;

/// Official encoders pad; some clients do not. Both read the same.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Encodes a message for a header.
pub fn encode<T: Serialize>(message: &T) -> Result<String, Error> {
    let json = serde_json::to_vec(message)
        .map_err(|error| Error::Message { message: "header", detail: error.to_string() })?;
    Ok(STANDARD.encode(json))
}

/// Decodes a header's value; `header` names it in errors.
pub fn decode<T: DeserializeOwned>(header: &'static str, value: &[u8]) -> Result<T, Error> {
    if value.len() > HEADER_BYTES_MAX {
        return Err(Error::Header { header, expected: "at most 16 KiB" });
    }
    let json = LENIENT
        .decode(value)
        .map_err(|_| Error::Header { header, expected: "standard base64 (RFC 4648 section 4)" })?;
    json::read(header, &json).map_err(|error| match error {
        Error::Message { .. } => error,
        _ => Error::Header { header, expected: "base64 of a JSON object" },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn oversize_is_refused_before_it_is_read() {
        let value = vec![b'A'; HEADER_BYTES_MAX + 4];
        let error = decode::<Value>(PAYMENT_SIGNATURE, &value).unwrap_err();
        assert_eq!(error, Error::Header { header: PAYMENT_SIGNATURE, expected: "at most 16 KiB" });
        let largest = STANDARD.encode(format!("\"{}\"", "x".repeat(HEADER_BYTES_MAX / 4 * 3 - 2)));
        assert_eq!(largest.len(), HEADER_BYTES_MAX);
        assert!(decode::<Value>(PAYMENT_SIGNATURE, largest.as_bytes()).is_ok());
    }

    #[test]
    fn errors_name_the_header_and_quote_nothing() {
        for text in ["s3cret!", "s3cretXX", &STANDARD.encode("s3cret"), &STANDARD.encode(r#"{"s3cret":1}"#)] {
            let error = decode::<crate::v2::PaymentPayload>(PAYMENT_SIGNATURE, text.as_bytes()).unwrap_err();
            let error = format!("{error} {error:?}");
            assert!(error.contains("payment-signature") && !error.contains("s3cret"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn text_round_trips(text: String, number: u64) {
            let message = serde_json::json!({ "text": text, "number": number });
            let header = encode(&message).unwrap();
            prop_assert!(header.bytes().all(|b| b.is_ascii_graphic()));
            if header.len() <= HEADER_BYTES_MAX {
                prop_assert_eq!(decode::<Value>(PAYMENT_RESPONSE, header.as_bytes()), Ok(message));
            }
        }

        #[test]
        fn any_bytes_are_an_answer_not_a_panic(bytes: Vec<u8>) {
            // Raw, and wrapped so that the JSON reader sees them too.
            let _ = decode::<crate::v2::PaymentPayload>(PAYMENT_SIGNATURE, &bytes);
            let wrapped = STANDARD.encode(&bytes);
            let _ = decode::<crate::v2::PaymentRequired>(PAYMENT_REQUIRED, wrapped.as_bytes());
        }
    }
}
