//! The upstream's handshake request, built from scratch.

use super::query;
use crate::handshake::{Wishes, accept_of, extension_names, new_key};
use crate::route::is_ours;
use crate::{FeedRoute, OpenError};
use http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN, USER_AGENT};
use url::{Host, Url};

/// Where to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) host: Host,
    pub(crate) port: u16,
    pub(crate) tls: bool,
}

/// A request ready to be sent, and what its answer must fit.
pub(crate) struct UpstreamRequest {
    pub(super) target: Target,
    /// The head without its last empty line.
    head: Vec<u8>,
    /// Whether the operator has set `Authorization`.
    authorized: bool,
    pub(super) accept: String,
    pub(super) protocols: Vec<String>,
    /// Names of the extensions offered.
    pub(super) extensions: Vec<String>,
}

impl UpstreamRequest {
    /// The request for a stream of this feed.
    pub(crate) fn new(route: &FeedRoute, wishes: Wishes) -> Result<Self, OpenError> {
        let target = target(&route.upstream).ok_or_else(|| {
            tracing::error!(feed = %route.feed, "the feed's upstream is no ws:// or wss:// URL");
            OpenError::Internal
        })?;
        let key = new_key()?;
        let accept = accept_of(key.as_bytes()).ok_or(OpenError::Internal)?;
        let head = write_head(route, &wishes, &key);
        let extensions = extension_names(&wishes.extensions).unwrap_or_default();
        Ok(Self {
            target,
            head,
            authorized: route.upstream_headers.contains_key(AUTHORIZATION),
            accept,
            extensions: extensions.into_iter().map(str::to_owned).collect(),
            protocols: wishes.protocols,
        })
    }

    /// Adds the stream token, unless the operator sends an `Authorization` of their own.
    pub(crate) fn authorize(&mut self, token: &str) {
        if !self.authorized {
            line(&mut self.head, "Authorization", b"Bearer ", token.as_bytes());
        }
    }

    /// The bytes to send.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        let mut head = std::mem::take(&mut self.head);
        head.extend_from_slice(b"\r\n");
        head
    }
}

fn target(url: &Url) -> Option<Target> {
    let tls = match url.scheme() {
        "ws" => false,
        "wss" => true,
        _ => return None,
    };
    Some(Target { host: url.host()?.to_owned(), port: url.port_or_known_default()?, tls })
}

fn write_head(route: &FeedRoute, wishes: &Wishes, key: &str) -> Vec<u8> {
    let url = &route.upstream;
    let operators = &route.upstream_headers;
    let free = |name: &HeaderName| !operators.contains_key(name);
    let mut head = Vec::with_capacity(512);
    head.extend_from_slice(b"GET ");
    head.extend_from_slice(url.path().as_bytes());
    let query = query::merged(url.query(), wishes.query.as_deref());
    if !query.is_empty() {
        head.push(b'?');
        head.extend_from_slice(query.as_bytes());
    }
    head.extend_from_slice(b" HTTP/1.1\r\n");
    if free(&HOST) {
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        line(&mut head, "Host", url.host_str().unwrap_or_default().as_bytes(), port.as_bytes());
    }
    line(&mut head, "Upgrade", b"websocket", b"");
    line(&mut head, "Connection", b"Upgrade", b"");
    line(&mut head, "Sec-WebSocket-Version", b"13", b"");
    line(&mut head, "Sec-WebSocket-Key", key.as_bytes(), b"");
    if !wishes.protocols.is_empty() {
        line(&mut head, "Sec-WebSocket-Protocol", wishes.protocols.join(", ").as_bytes(), b"");
    }
    if !wishes.extensions.is_empty() {
        line(&mut head, "Sec-WebSocket-Extensions", wishes.extensions.as_bytes(), b"");
    }
    if let Some(origin) = wishes.origin.as_ref().filter(|_| free(&ORIGIN)) {
        line(&mut head, "Origin", origin.as_bytes(), b"");
    }
    if let Some(agent) = wishes.user_agent.as_ref().filter(|_| free(&USER_AGENT)) {
        line(&mut head, "User-Agent", agent.as_bytes(), b"");
    }
    for (name, value) in operators.iter().filter(|(name, _)| !is_ours(name)) {
        line(&mut head, name.as_str(), value.as_bytes(), b"");
    }
    head
}

fn line(head: &mut Vec<u8>, name: &str, value: &[u8], more: &[u8]) {
    for part in [name.as_bytes(), b": ", value, more, b"\r\n"] {
        head.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn wishes() -> Wishes {
        Wishes {
            protocols: vec!["v2".into(), "v1".into()],
            extensions: "permessage-deflate; client_max_window_bits".into(),
            origin: Some(HeaderValue::from_static("https://app.example.com")),
            user_agent: Some(HeaderValue::from_static("agent/1")),
            query: Some("token=SECRET&symbol=BTC".into()),
        }
    }

    /// The head as text, its random key replaced.
    fn sent(route: &FeedRoute, wishes: Wishes, token: Option<&str>) -> String {
        let mut request = UpstreamRequest::new(route, wishes).unwrap();
        if let Some(token) = token {
            request.authorize(token);
        }
        let text = String::from_utf8(request.finish()).unwrap();
        let key = text.split("Sec-WebSocket-Key: ").nth(1).unwrap().split("\r\n").next().unwrap();
        assert_eq!(accept_of(key.as_bytes()).unwrap(), request.accept);
        text.replace(key, "KEY")
    }

    fn route(url: &str) -> FeedRoute {
        FeedRoute::new("ticks".parse().unwrap(), url.parse().unwrap())
    }

    #[test]
    fn byte_for_byte() {
        let expected = "GET /stream?v=2&symbol=BTC HTTP/1.1\r\n\
            Host: feeds.example.com:8443\r\n\
            Upgrade: websocket\r\n\
            Connection: Upgrade\r\n\
            Sec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: KEY\r\n\
            Sec-WebSocket-Protocol: v2, v1\r\n\
            Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\
            Origin: https://app.example.com\r\n\
            User-Agent: agent/1\r\n\
            Authorization: Bearer stream.token\r\n\r\n";
        let route = route("wss://feeds.example.com:8443/stream?v=2");
        assert_eq!(sent(&route, wishes(), Some("stream.token")), expected);
    }

    #[test]
    fn nothing_is_sent_that_nobody_wished() {
        let expected = "GET / HTTP/1.1\r\nHost: [::1]\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: KEY\r\n\r\n";
        assert_eq!(sent(&route("ws://[::1]"), Wishes::default(), None), expected);
    }

    #[test]
    fn the_operators_lines_win_but_cannot_break_the_handshake() {
        let mut route = route("ws://127.0.0.1:9100/s");
        let lines = [
            ("authorization", "Key k"),
            ("host", "inside"),
            ("origin", "https://operator.example"),
            ("user-agent", "tollwire"),
            ("sec-websocket-version", "8"),
            ("connection", "close"),
        ];
        for (name, value) in lines {
            route.upstream_headers.insert(name, HeaderValue::from_static(value));
        }
        let head = sent(&route, wishes(), Some("stream.token"));
        for wanted in [
            "host: inside",
            "origin: https://operator.example",
            "user-agent: tollwire",
            "authorization: Key k",
        ] {
            assert!(head.contains(&format!("\r\n{wanted}\r\n")), "{head}");
        }
        for unwanted in
            ["stream.token", "app.example.com", "agent/1", "close", ": 8\r\n", "SECRET", "Host: 127"]
        {
            assert!(!head.contains(unwanted), "{unwanted} in {head}");
        }
    }

    #[test]
    fn the_target_follows_the_scheme() {
        let of = |url: &str| target(&url.parse().unwrap());
        let example = Host::Domain("example.com".into());
        assert_eq!(of("ws://example.com/"), Some(Target { host: example.clone(), port: 80, tls: false }));
        assert_eq!(of("wss://example.com/"), Some(Target { host: example, port: 443, tls: true }));
        assert_eq!(of("ftp://example.com/"), None);
    }
}
