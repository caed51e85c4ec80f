//! A payment on its way to an API that prices itself. It is passed on as it came and never read beyond its version.

use super::{CallError, PaymentHeader};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::header::{HeaderMap, HeaderName};
use serde::Deserialize;
use serde_json::value::RawValue;
use tollwire_x402::header::{HEADER_BYTES_MAX, PAYMENT_SIGNATURE, X_PAYMENT};

/// The headers that carry payments, in either dialect.
pub(super) const PAYMENT_HEADERS: [&str; 2] = [PAYMENT_SIGNATURE, X_PAYMENT];

/// A payment, ready to be sent.
#[derive(Clone)]
pub(super) struct Payment {
    value: HeaderValue,
    version: u8,
}

#[derive(Deserialize)]
struct Versioned {
    #[serde(rename = "x402Version")]
    version: u8,
}

impl Payment {
    /// Of an envelope's `payment`: the object, whose bytes are encoded as they are.
    pub(super) fn of_envelope(raw: &RawValue) -> Result<Self, CallError> {
        const FIELD: &str = "payment";
        let text = raw.get();
        if !text.starts_with('{') {
            return Err(CallError::malformed(FIELD, "send the x402 payload as an object, not encoded"));
        }
        let Versioned { version } = serde_json::from_str(text)
            .map_err(|_| CallError::malformed(FIELD, "x402Version must be 1 or 2"))?;
        if !matches!(version, 1 | 2) {
            return Err(CallError::malformed(FIELD, "x402Version must be 1 or 2"));
        }
        let encoded = STANDARD.encode(text);
        if encoded.len() > HEADER_BYTES_MAX {
            return Err(CallError::malformed(FIELD, "at most 16 KiB when encoded"));
        }
        let mut value = HeaderValue::try_from(encoded)
            .map_err(|_| CallError::malformed(FIELD, "send an x402 payload"))?;
        value.set_sensitive(true);
        Ok(Self { value, version })
    }

    /// Adds it to a request.
    pub(super) fn put(self, headers: &mut HeaderMap, names: PaymentHeader) {
        let (ours, other) = match self.version {
            1 => (X_PAYMENT, PAYMENT_SIGNATURE),
            _ => (PAYMENT_SIGNATURE, X_PAYMENT),
        };
        if names == PaymentHeader::Both {
            headers.insert(HeaderName::from_static(other), self.value.clone());
        }
        headers.insert(HeaderName::from_static(ours), self.value);
    }
}

/// Nobody's payment belongs into a log.
impl std::fmt::Debug for Payment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Payment(..)")
    }
}

/// Whether headers carry a payment.
pub(super) fn is_paid(headers: &HeaderMap) -> bool {
    PAYMENT_HEADERS.iter().any(|name| headers.contains_key(*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Payment, CallError> {
        Payment::of_envelope(&RawValue::from_string(text.into()).unwrap())
    }

    #[test]
    fn the_version_chooses_the_header_and_the_bytes_stay() {
        let text = r#"{"x402Version":2, "payload":{"value":1e400,"b":1.0}}"#;
        let mut headers = HeaderMap::new();
        read(text).unwrap().put(&mut headers, PaymentHeader::Auto);
        assert_eq!(STANDARD.decode(&headers[PAYMENT_SIGNATURE]).unwrap(), text.as_bytes());
        assert!(!headers.contains_key(X_PAYMENT));
        let mut headers = HeaderMap::new();
        read(r#"{"x402Version":1}"#).unwrap().put(&mut headers, PaymentHeader::Auto);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), [X_PAYMENT]);
        let mut headers = HeaderMap::new();
        read(text).unwrap().put(&mut headers, PaymentHeader::Both);
        assert_eq!(headers.len(), 2);
    }

    #[test]
    fn what_is_no_payment_is_refused_without_being_quoted() {
        let long = format!("{{\"x402Version\":2,\"s\":\"{}\"}}", "s3cret".repeat(3_000));
        for bad in
            [r#""s3cret""#, "[2]", r#"{"s3cret":1}"#, r#"{"x402Version":3}"#, r#"{"x402Version":"2"}"#, &long]
        {
            let error = read(bad).unwrap_err();
            assert!(error.code() == 400 && !format!("{error:?}").contains("s3cret"), "{error}");
        }
    }
}
