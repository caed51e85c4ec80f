//! The upstream's answer: a 101 that fits our request, or an error.

use super::{UpstreamError, UpstreamRequest};
use crate::handshake::{extension_names, tokens};
use httparse::{Header, Response, Status};

/// The longest answer head, in bytes.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The most header lines of an answer.
pub const HEADERS_MAX: usize = 64;

/// What was agreed between agent and upstream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Agreed {
    /// The subprotocol.
    pub(crate) protocol: Option<String>,
    /// Extensions with their parameters, as the upstream wrote them; empty for none.
    pub(crate) extensions: String,
}

/// Where a head ends in `bytes`, if it does; `from` is how much was searched before.
pub(super) fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    let start = from.saturating_sub(3);
    let found = bytes.get(start..)?.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(start + found + 4)
}

/// Checks a whole head (RFC 6455, section 4.1).
pub(super) fn check(head: &[u8], request: &UpstreamRequest) -> Result<Agreed, UpstreamError> {
    let mut lines = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = Response::new(&mut lines);
    match response.parse(head) {
        Ok(Status::Complete(_)) => {}
        Ok(Status::Partial) | Err(_) => return Err(UpstreamError::Malformed),
    }
    match response.code {
        Some(101) if response.version == Some(1) => {}
        Some(status) => return Err(UpstreamError::Refused(status)),
        None => return Err(UpstreamError::Malformed),
    }
    let headers = Headers(response.headers);
    if !headers.list("upgrade").any(|token| token.eq_ignore_ascii_case("websocket")) {
        return Err(UpstreamError::Lied("upgrade"));
    }
    if !headers.list("connection").any(|token| token.eq_ignore_ascii_case("upgrade")) {
        return Err(UpstreamError::Lied("connection"));
    }
    if headers.only("sec-websocket-accept")? != Some(request.accept.as_str()) {
        return Err(UpstreamError::Lied("sec-websocket-accept"));
    }
    let protocol = headers.only("sec-websocket-protocol")?;
    if protocol.is_some_and(|chosen| !request.protocols.iter().any(|offered| offered == chosen)) {
        return Err(UpstreamError::Lied("sec-websocket-protocol"));
    }
    let extensions = headers.list("sec-websocket-extensions").collect::<Vec<_>>().join(", ");
    let names = extension_names(&extensions).ok_or(UpstreamError::Lied("sec-websocket-extensions"))?;
    if names.iter().any(|name| !request.extensions.iter().any(|offered| offered == name)) {
        return Err(UpstreamError::Lied("sec-websocket-extensions"));
    }
    Ok(Agreed { protocol: protocol.map(str::to_owned), extensions })
}

struct Headers<'a>(&'a [Header<'a>]);

impl<'a> Headers<'a> {
    /// Values of a header that are text.
    fn values(&self, name: &'static str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |line| line.name.eq_ignore_ascii_case(name));
        named.map(|line| std::str::from_utf8(line.value).unwrap_or("\u{fffd}").trim())
    }

    fn list(&self, name: &'static str) -> impl Iterator<Item = &'a str> {
        self.values(name).flat_map(tokens)
    }

    /// The value of a header that may stand once.
    fn only(&self, name: &'static str) -> Result<Option<&'a str>, UpstreamError> {
        let mut values = self.values(name);
        let first = values.next();
        if values.next().is_some() { Err(UpstreamError::Lied(name)) } else { Ok(first) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FeedRoute;
    use crate::handshake::Wishes;

    fn request() -> UpstreamRequest {
        let route = FeedRoute::new("ticks".parse().unwrap(), "ws://127.0.0.1/".parse().unwrap());
        let wishes = Wishes {
            protocols: vec!["v2".into(), "v1".into()],
            extensions: "permessage-deflate".into(),
            ..Wishes::default()
        };
        UpstreamRequest::new(&route, wishes).unwrap()
    }

    fn answer(request: &UpstreamRequest, status: &str, more: &str) -> Result<Agreed, UpstreamError> {
        let accept = &request.accept;
        let head = format!(
            "HTTP/1.1 {status}\r\nUpgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
        );
        check(head.as_bytes(), request)
    }

    #[test]
    fn what_was_agreed() {
        let request = request();
        assert_eq!(answer(&request, "101 Switching Protocols", "").unwrap(), Agreed::default());
        let both = "Sec-WebSocket-Protocol: v1\r\nSec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover\r\n";
        let agreed = answer(&request, "101 Yes", both).unwrap();
        assert_eq!(agreed.protocol.as_deref(), Some("v1"));
        assert_eq!(agreed.extensions, "permessage-deflate; client_no_context_takeover");
    }

    #[test]
    fn refusals_and_lies() {
        use UpstreamError::{Lied, Malformed, Refused};
        let request = request();
        let told = |status: &str, more: &str| answer(&request, status, more).unwrap_err();
        assert_eq!(told("200 OK", ""), Refused(200));
        assert_eq!(told("302 Found", "Location: ws://elsewhere/\r\n"), Refused(302));
        assert_eq!(told("101 x", "Sec-WebSocket-Accept: AAAA\r\n"), Lied("sec-websocket-accept"));
        assert_eq!(told("101 x", "Sec-WebSocket-Protocol: v3\r\n"), Lied("sec-websocket-protocol"));
        assert_eq!(told("101 x", "Sec-WebSocket-Protocol: v1, v2\r\n"), Lied("sec-websocket-protocol"));
        let twice = "Sec-WebSocket-Protocol: v1\r\nSec-WebSocket-Protocol: v2\r\n";
        assert_eq!(told("101 x", twice), Lied("sec-websocket-protocol"));
        assert_eq!(told("101 x", "Sec-WebSocket-Extensions: x-other\r\n"), Lied("sec-websocket-extensions"));
        let plain = |head: &str| check(head.as_bytes(), &request).unwrap_err();
        assert_eq!(plain("HTTP/1.1 101 x\r\nConnection: upgrade\r\n\r\n"), Lied("upgrade"));
        assert_eq!(plain("HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n"), Lied("connection"));
        let unproven = "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n";
        assert_eq!(plain(unproven), Lied("sec-websocket-accept"));
        assert_eq!(plain("HTTP/1.0 101 x\r\n\r\n"), Refused(101));
        assert_eq!(plain("220 smtp.example.com\r\n\r\n"), Malformed);
        let many = format!("HTTP/1.1 101 x\r\n{}\r\n", "a: b\r\n".repeat(HEADERS_MAX + 1));
        assert_eq!(plain(&many), Malformed);
    }

    #[test]
    fn the_head_ends_at_its_empty_line() {
        let bytes = b"HTTP/1.1 101 x\r\na: b\r\n\r\n\x81\x01x";
        assert_eq!(end_of_head(bytes, 0), Some(bytes.len() - 3));
        assert_eq!(end_of_head(bytes, bytes.len() - 4), Some(bytes.len() - 3));
        assert_eq!(end_of_head(&bytes[..20], 0), None);
        assert_eq!(end_of_head(b"", 0), None);
    }
}
