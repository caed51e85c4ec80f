//! Cross-origin rules of the HTTP twin: the pages that are let in may also read what they get. Nothing rests on cookies, so
//! none are asked for.

use super::answer::Answer;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

/// What every x402 client may send, whatever it announces; official ones send `Access-Control-Expose-Headers` as a request
/// header.
const ALLOW: &str = "PAYMENT-SIGNATURE, X-PAYMENT, Access-Control-Expose-Headers, Authorization, Content-Type, \
                     Tollwire-Claim, Tollwire-Session, SIGN-IN-WITH-X";

/// What is passed on; `OPTIONS` is answered here.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Lets the page that asked read an answer, all of its headers included. `asked` are the headers of its request, whose
/// origin has been let in.
pub(crate) fn readable(asked: Option<HeaderValue>, mut answer: Answer) -> Answer {
    let headers = answer.headers_mut();
    // An API's own rules are about pages that ask the API.
    headers.remove(ACCESS_CONTROL_ALLOW_ORIGIN);
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = asked {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
    }
    answer
}

/// The answer to a preflight of a page that is let in.
pub(crate) fn preflight(asked: &HeaderMap) -> Answer {
    let mut answer = Response::new(http_body_util::Full::default());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let headers = answer.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOW));
    // An API may want others: which of them pass is decided when they come.
    if let Some(wanted) = asked.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.append(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    readable(asked.get(ORIGIN).cloned(), answer)
}
