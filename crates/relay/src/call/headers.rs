//! Which headers pass, in either direction. What is about one connection stays with it (RFC 9110, section 7.6.1).

use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, HeaderMap, HeaderName,
    ORIGIN, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

/// Never passed on to an API.
const TO_API: [HeaderName; 13] = [
    CONNECTION,
    CONTENT_LENGTH,
    COOKIE,
    EXPECT,
    FORWARDED,
    HOST,
    // Whose page it was is our matter: it has been checked.
    ORIGIN,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Never passed on to an agent. A cookie would be shared by all who call the same API.
const TO_AGENT: [HeaderName; 7] =
    [CONNECTION, CONTENT_LENGTH, PROXY_AUTHENTICATE, SET_COOKIE, TRAILER, TRANSFER_ENCODING, UPGRADE];

const PREFIXES: [&str; 4] = ["proxy-", "sec-websocket-", "x-forwarded-", "keep-alive"];

/// What a client's request may say to an API.
pub(super) fn to_api(headers: &mut HeaderMap) {
    strip(headers, &TO_API);
}

/// The same for an envelope: its answer stands in JSON, so it is asked for without compression.
pub(super) fn to_api_from_envelope(headers: &mut HeaderMap) {
    strip(headers, &TO_API);
    headers.remove(ACCEPT_ENCODING);
}

/// What an API's answer may say to an agent.
pub(super) fn to_agent(headers: &mut HeaderMap) {
    strip(headers, &TO_AGENT);
}

/// Removes the named headers, those of a known prefix, and those that `Connection` names.
fn strip(headers: &mut HeaderMap, names: &[HeaderName]) {
    let listed: Vec<String> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    for name in names {
        headers.remove(name);
    }
    for name in listed {
        headers.remove(name.as_str());
    }
    let more: Vec<HeaderName> = headers
        .keys()
        .filter(|name| PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix)))
        .cloned()
        .collect();
    for name in more {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), http::HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn what_is_about_the_connection_or_the_caller_stays() {
        let mut headers = map(&[
            ("accept", "*/*"),
            ("authorization", "Bearer api-key"),
            ("connection", "keep-alive, X-Hop"),
            ("content-length", "5"),
            ("cookie", "a=b"),
            ("forwarded", "for=1"),
            ("host", "evil.example"),
            ("keep-alive", "5"),
            ("proxy-authorization", "x"),
            ("sec-websocket-key", "x"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-hop", "1"),
            ("x-mine", "1"),
            ("accept-encoding", "gzip"),
        ]);
        to_api(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "accept-encoding", "authorization", "x-mine"]);
        to_api_from_envelope(&mut headers);
        assert!(!headers.contains_key(ACCEPT_ENCODING));
    }

    #[test]
    fn an_answer_keeps_what_it_says_about_itself() {
        let mut headers = map(&[
            ("content-type", "text/plain"),
            ("set-cookie", "a=b"),
            ("transfer-encoding", "chunked"),
            ("payment-response", "e30="),
            ("retry-after", "5"),
        ]);
        to_agent(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-type", "payment-response", "retry-after"]);
    }
}
