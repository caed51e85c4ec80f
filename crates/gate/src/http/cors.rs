//! Cross-origin rules: any page may ask, because nothing here rests on cookies or on the caller's network.

use super::answer::{Answer, empty};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
};
use http::{HeaderValue, StatusCode};

/// What browsers may send. Official x402 clients send `Access-Control-Expose-Headers` as a request header.
const ALLOW: &str = "PAYMENT-SIGNATURE, X-PAYMENT, Access-Control-Expose-Headers, Authorization, Content-Type, \
                     Tollwire-Claim, Tollwire-Stream, SIGN-IN-WITH-X, DPoP";

/// What pages may read.
const EXPOSE: &str = "PAYMENT-REQUIRED, PAYMENT-RESPONSE, X-PAYMENT-RESPONSE, Retry-After, WWW-Authenticate";

/// Adds what every answer of the public service carries.
pub(crate) fn open(mut answer: Answer) -> Answer {
    let headers = answer.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSE));
    answer
}

/// The answer to a preflight for a route with these methods.
pub(crate) fn preflight(methods: &'static str) -> Answer {
    let mut answer = empty(StatusCode::NO_CONTENT);
    let headers = answer.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOW));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    open(answer)
}
