//! Payment headers: standard base64 of UTF-8 JSON (transports-v2/http.md; base64url is refused, as the official
//! decoders refuse it).

use crate::Error;
use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use serde::Serialize;
use serde::de::DeserializeOwned;

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
/// The client's idempotency key for opening a stream.
pub const TOLLWIRE_STREAM: &str = "tollwire-stream";

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
    serde_json::from_slice(&json).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Error::Message { message: header, detail: data_error(&error) },
        _ => Error::Header { header, expected: "base64 of a JSON object" },
    })
}

/// The parser's message, cut before anything it quotes from the input.
fn data_error(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.split_once(": ") {
        Some((kind @ ("invalid type" | "invalid value"), rest)) => {
            let expected = rest.split_once(", expected ").map_or("another form", |(_, expected)| expected);
            format!("{kind}, expected {expected}")
        }
        _ => text,
    }
}
