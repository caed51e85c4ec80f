//! What the upstream sees of a handshake, and what the agent sees of its answer, byte for byte.

use crate::agent::{exchange, handshake};
use crate::node::{Node, TestClock, config, route};
use crate::upstream::RawUpstream;
use futures_util::future;
use http::HeaderValue;
use std::sync::Arc;
use tollwire_ledger::memory::MemoryLedger;
use tollwire_ledger::{Clock, SystemClock};
use tollwire_proxy::UpstreamAuth;
use tollwire_session::{Algorithm, Issuer, KeySet, SigningKey, Verifier};

/// A request's head with its random key replaced.
fn without_key(head: &str) -> String {
    let key = head.split("Sec-WebSocket-Key: ").nth(1).unwrap().split("\r\n").next().unwrap();
    assert_ne!(key, "dGhlIHNhbXBsZSBub25jZQ==", "our own key, not the agent's");
    head.replace(key, "KEY")
}

#[tokio::test]
async fn nothing_passes_but_what_is_listed() {
    let upstream = RawUpstream::start().await;
    let mut route = route(&upstream.url("/stream?key=operators"));
    route.upstream_headers.insert("x-upstream-key", HeaderValue::from_static("k"));
    let node = Node::start(route).await;
    let session = node.fund(1).await;
    let lines = "Authorization: Bearer agents-token\r\nCookie: a=b\r\nPAYMENT-SIGNATURE: x\r\nX-PAYMENT: x\r\n\
        DPoP: x\r\nForwarded: for=1.1.1.1\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Host: evil\r\nTollwire-Stream: x\r\n\
        Tollwire-Claim: x\r\nTE: trailers\r\nKeep-Alive: 5\r\nProxy-Authorization: x\r\nX-Custom: x\r\n\
        X-Upstream-Key: agents\r\nReferer: https://a/?token=x\r\nAccept: */*\r\n\
        Origin: https://app.example\r\nUser-Agent: agent/1\r\nSec-WebSocket-Protocol: v2\r\n\
        Sec-WebSocket-Protocol: v1\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    let query = "&symbol=BTC%2FUSD&stream=0123456789abcdef&t%6Fken=x&key=agents&empty=";
    let request = handshake(&session, query, lines);
    let answer = "Sec-WebSocket-Protocol: v1\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\
        Set-Cookie: a=b\r\nX-Backend: secret-host\r\nServer: x\r\n";
    let ((_agent, got), (_upstream, seen)) =
        future::join(exchange(&node, request.as_bytes()), upstream.upgrade(answer, b"")).await;

    let expected = format!(
        "GET /stream?key=operators&symbol=BTC%2FUSD&empty= HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: KEY\r\n\
         Sec-WebSocket-Protocol: v2, v1\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\
         Origin: https://app.example\r\nUser-Agent: agent/1\r\nx-upstream-key: k\r\n\r\n",
        upstream.address
    );
    assert_eq!(without_key(&seen), expected);

    let mut lines: Vec<_> = got.trim_end().split("\r\n").filter(|line| !line.starts_with("date:")).collect();
    lines[1..].sort_unstable();
    let wanted = [
        "HTTP/1.1 101 Switching Protocols",
        "connection: Upgrade",
        "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "sec-websocket-extensions: permessage-deflate",
        "sec-websocket-protocol: v1",
        "tollwire-stream: 0123456789abcdef",
        "upgrade: websocket",
    ];
    assert_eq!(lines, wanted);
}

#[tokio::test]
async fn what_is_said_in_between_is_never_compressed() {
    let upstream = RawUpstream::start().await;
    let node = Node::start(route(&upstream.url("/"))).await;
    let session = node.fund(1).await;
    let lines = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let request = handshake(&session, "&control=v1&symbol=A", lines);
    let ((_agent, got), (_upstream, seen)) =
        future::join(exchange(&node, request.as_bytes()), upstream.upgrade("", b"")).await;
    assert!(seen.starts_with("GET /?symbol=A HTTP/1.1\r\n"), "{seen}");
    for text in [got, seen] {
        assert!(!text.to_ascii_lowercase().contains("extensions"), "{text}");
    }
}

#[tokio::test]
async fn the_upstream_gets_a_stream_token_and_never_the_agents() {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let keys = KeySet::default().with(&key);
    let issuer = Issuer::new(key, "https://us.example".into(), "https://us.example".into());
    let verifier =
        Verifier::new(keys, "https://us.example".into(), "ticks".into(), std::time::Duration::ZERO);
    let upstream = RawUpstream::start().await;
    let mut route = route(&upstream.url("/"));
    route.upstream_auth = UpstreamAuth::StreamToken;
    let clock = Arc::new(TestClock::default());
    let ledger = Arc::new(MemoryLedger::new(clock.clone()));
    let node = Node::on(ledger, clock, route, config(), Some(Arc::new(issuer))).await;
    let session = node.fund(2).await;
    let request = handshake(&session, "&stream=0123456789abcdef", "Authorization: Bearer agents-token\r\n");

    for fence in [1, 2] {
        let ((_agent, _), (_upstream, seen)) =
            future::join(exchange(&node, request.as_bytes()), upstream.upgrade("", b"\x81\x00")).await;
        assert!(!seen.contains("agents-token") && !seen.contains(session.as_str()), "{seen}");
        let token = seen.split("Authorization: Bearer ").nth(1).unwrap().split("\r\n").next().unwrap();
        let now = SystemClock.now().secs();
        let claims = verifier.verify_stream(token, &"ticks".parse().unwrap(), now).unwrap();
        assert_eq!((claims.sub.as_str(), &claims.jti), ("0xbb", &session));
        assert_eq!((claims.stream.as_str(), claims.fence), ("0123456789abcdef", fence));
        assert!(claims.exp - claims.iat <= 60);
    }

    node.proxy.set_issuer(None);
    let (_agent, got) = exchange(&node, handshake(&session, "", "").as_bytes()).await;
    assert!(got.starts_with("HTTP/1.1 500 "), "{got}");
    node.wait_for(&session, "the third open to return its unit", |row| row.remaining() == 1).await;
}
