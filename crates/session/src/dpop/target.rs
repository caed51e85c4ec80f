//! The URL a proof is for, in the one form that is compared.
//!
//! RFC 9449 section 4.3: without query and fragment, after the syntax-based and scheme-based normalisation of RFC 3986
//! sections 6.2.2 and 6.2.3.

use super::{Error, URL_BYTES_MAX};
use std::fmt::Write as _;

/// Normalises an absolute `http`, `https`, `ws` or `wss` URL.
///
/// A WebSocket's opening handshake is an HTTP request, so `ws` means `http` and `wss` means `https` (RFC 6455 section
/// 3): an agent may sign the URL it was given. Characters beyond ASCII, spaces, and a user name are refused.
pub(super) fn normal(url: &str) -> Result<String, Error> {
    if url.len() > URL_BYTES_MAX || !url.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') {
        return Err(Error::Url);
    }
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let url = url.get(..end).ok_or(Error::Url)?;
    let (scheme, rest) = url.split_once("://").ok_or(Error::Url)?;
    let (scheme, default_port) = match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => ("http", 80),
        "https" | "wss" => ("https", 443),
        _ => return Err(Error::Url),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = host_and_port(authority)?;
    let mut normal = format!("{scheme}://{host}");
    if let Some(port) = port.filter(|port| *port != default_port) {
        write!(normal, ":{port}").map_err(|_| Error::Url)?;
    }
    normal.push_str(&without_dots(&escapes(path)?));
    Ok(normal)
}

fn host_and_port(authority: &str) -> Result<(String, Option<u16>), Error> {
    // The colons of an IPv6 address stand in brackets.
    let bracket = authority.rfind(']').map_or(0, |at| at + 1);
    let colon = authority.get(bracket..).and_then(|rest| rest.find(':')).map(|at| bracket + at);
    let (host, port) = authority.split_at(colon.unwrap_or(authority.len()));
    let host = escapes(host)?.to_ascii_lowercase();
    let of_host = |b: u8| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=[]:".contains(&b);
    if host.is_empty() || !host.bytes().all(of_host) {
        return Err(Error::Url);
    }
    match port.strip_prefix(':') {
        None | Some("") => Ok((host, None)),
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse().map(|port| (host, Some(port))).map_err(|_| Error::Url)
        }
        Some(_) => Err(Error::Url),
    }
}

/// Escapes of unreserved characters are undone, all others are written in upper case (RFC 3986 section 6.2.2.2).
fn escapes(text: &str) -> Result<String, Error> {
    let mut normal = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        normal.push_str(before);
        let digits = after.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let digits = digits.ok_or(Error::Url)?;
        let byte = u8::from_str_radix(digits, 16).map_err(|_| Error::Url)?;
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            normal.push(char::from(byte));
        } else {
            normal.push('%');
            normal.push_str(&digits.to_ascii_uppercase());
        }
        rest = after.get(2..).ok_or(Error::Url)?;
    }
    normal.push_str(rest);
    Ok(normal)
}

/// Resolves `.` and `..` (RFC 3986 section 5.2.4); an empty path is `/`.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            _ => {
                kept.push(segment);
                continue;
            }
        }
        if last {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_form_for_what_is_one_target() {
        for (url, expected) in [
            ("https://pay.example/ws/ticks", "https://pay.example/ws/ticks"),
            ("HTTPS://Pay.Example:443/ws/ticks?token=x#y", "https://pay.example/ws/ticks"),
            ("wss://pay.example/ws/ticks", "https://pay.example/ws/ticks"),
            ("ws://127.0.0.1:4020/ws/ticks", "http://127.0.0.1:4020/ws/ticks"),
            ("http://pay.example:80", "http://pay.example/"),
            ("http://pay.example:", "http://pay.example/"),
            ("http://pay.example?a=/b", "http://pay.example/"),
            ("http://pay.example#/b", "http://pay.example/"),
            ("https://pay.example:80/", "https://pay.example:80/"),
            ("https://pay.example/%7Ea/%2fb/%c3%A9", "https://pay.example/~a/%2Fb/%C3%A9"),
            ("https://pay.example/a/./b/../c/..", "https://pay.example/a/"),
            ("https://pay.example/../../a", "https://pay.example/a"),
            ("https://pay.example/a//b/", "https://pay.example/a//b/"),
            ("https://pay.example/%2e%2e/a", "https://pay.example/a"),
            ("https://[2001:DB8::1]:8443/a", "https://[2001:db8::1]:8443/a"),
            ("https://[::1]", "https://[::1]/"),
        ] {
            assert_eq!(normal(url).as_deref(), Ok(expected), "{url}");
        }
    }

    #[test]
    fn what_is_not_a_target() {
        let long = format!("https://pay.example/{}", "a".repeat(URL_BYTES_MAX));
        for url in [
            "",
            "/ws/ticks",
            "pay.example/ws",
            "https:/pay.example",
            "https://",
            "https:///a",
            "ftp://pay.example/",
            "https://user@pay.example/",
            "https://user:pw@pay.example/",
            "https://pay.example:x/",
            "https://pay.example:65536/",
            "https://pay.example:+1/",
            "https://pay.example/a b",
            "https://pay.example/\u{e9}",
            "https://pay.example\\@evil.example/",
            "https://pay.example/%zz",
            "https://pay.example/%4",
            " https://pay.example/",
            &long,
        ] {
            assert_eq!(normal(url), Err(Error::Url), "{url}");
        }
    }

    proptest! {
        #[test]
        fn the_normal_form_is_its_own(path in "(/[a-z.%0-9A-F]{0,4}){0,5}", host in "[a-zA-Z.]{1,9}", port in "(:[0-9]{0,5})?") {
            if let Ok(once) = normal(&format!("https://{host}{port}{path}")) {
                prop_assert_eq!(normal(&once), Ok(once.clone()));
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,60}") {
            let _ = normal(&text);
            let _ = normal(&format!("https://{text}"));
        }
    }
}
