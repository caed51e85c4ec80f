//! Opening handshakes that are wrong in one way each: refused, with nothing charged and no upstream dialled.

use tollwire_testkit::feed::Mode;
use tollwire_tests::raw::{KEY, Raw, head, status, upgrade_lines};
use tollwire_tests::world::World;

/// A handshake that is right but for what a case changes.
struct Attempt {
    line: String,
    lines: Vec<String>,
}

impl Attempt {
    fn right(token: &str) -> Self {
        let mut lines = upgrade_lines();
        lines.push(format!("Authorization: Bearer {token}"));
        Self { line: "GET /feeds/ticks/ws HTTP/1.1".into(), lines }
    }

    fn line(mut self, line: impl Into<String>) -> Self {
        self.line = line.into();
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.lines.retain(|line| !line.starts_with(&format!("{name}:")));
        self
    }

    fn with(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// Another value for a header.
    fn but(self, name: &str, value: &str) -> Self {
        self.without(name).with(format!("{name}: {value}"))
    }
}

/// Each wrong handshake with the status it must get.
fn wrong(token: &str) -> Vec<(&'static str, Attempt, u16)> {
    let right = || Attempt::right(token);
    let path = "/feeds/ticks/ws";
    let (key, version) = ("Sec-WebSocket-Key", "Sec-WebSocket-Version");
    vec![
        ("no key", right().without(key), 400),
        ("two keys", right().with(format!("{key}: AAAAAAAAAAAAAAAAAAAAAA==")), 400),
        ("one key twice", right().with(format!("{key}: {KEY}")), 400),
        ("an empty key", right().but(key, ""), 400),
        ("a key of 15 bytes", right().but(key, "AAAAAAAAAAAAAAAAAAAA"), 400),
        ("a key of 17 bytes", right().but(key, "AAAAAAAAAAAAAAAAAAAAAAA="), 400),
        ("a key of 4,000 characters", right().but(key, &"A".repeat(4_000)), 400),
        ("a key without padding", right().but(key, KEY.trim_end_matches('=')), 400),
        ("a key that is no base64", right().but(key, "!!!!!!!!!!!!!!!!!!!!!!=="), 400),
        ("two keys in one line", right().but(key, &format!("{KEY}, {KEY}")), 400),
        ("version 8", right().but(version, "8"), 426),
        ("version 0", right().but(version, "0"), 426),
        ("version 013", right().but(version, "013"), 426),
        ("a list of versions", right().but(version, "13, 8"), 426),
        ("no version", right().without(version), 426),
        ("two versions", right().with(format!("{version}: 13")), 400),
        ("POST", right().line(format!("POST {path} HTTP/1.1")), 405),
        ("PUT", right().line(format!("PUT {path} HTTP/1.1")), 405),
        ("HEAD", right().line(format!("HEAD {path} HTTP/1.1")), 405),
        ("PATCH", right().line(format!("PATCH {path} HTTP/1.1")), 405),
        ("CONNECT", right().line(format!("CONNECT {path} HTTP/1.1")), 405),
        ("HTTP/1.0", right().line(format!("GET {path} HTTP/1.0")), 426),
        ("no Upgrade", right().without("Upgrade"), 426),
        ("Upgrade to h2c", right().but("Upgrade", "h2c"), 426),
        ("Upgrade to websockets", right().but("Upgrade", "websockets"), 426),
        ("no Connection", right().without("Connection"), 426),
        ("Connection: close", right().but("Connection", "close"), 426),
        ("Connection: keep-alive", right().but("Connection", "keep-alive"), 426),
        ("an announced body", right().with("Content-Length: 5"), 400),
        ("an announced body in chunks", right().with("Transfer-Encoding: chunked"), 400),
        ("both", right().with("Content-Length: 5").with("Transfer-Encoding: chunked"), 400),
        ("two lengths", right().with("Content-Length: 0").with("Content-Length: 5"), 400),
        ("a subprotocol with a space", right().with("Sec-WebSocket-Protocol: a b"), 400),
        ("a subprotocol twice", right().with("Sec-WebSocket-Protocol: a, b, a"), 400),
        ("an extension of nothing", right().with("Sec-WebSocket-Extensions: ;"), 400),
        ("an unclosed quote", right().with("Sec-WebSocket-Extensions: a; b=\"c"), 400),
        ("two origins", right().with("Origin: http://a").with("Origin: http://b"), 400),
        ("two user agents", right().with("User-Agent: a").with("User-Agent: b"), 400),
    ]
}

/// The same for what it says of its sender and its stream.
fn wrong_for_us(token: &str) -> Vec<(&'static str, Attempt, u16)> {
    let right = || Attempt::right(token);
    let path = "/feeds/ticks/ws";
    vec![
        ("two authorizations", right().with("Authorization: Bearer x"), 400),
        ("another scheme", right().but("Authorization", "Basic eDp5"), 400),
        ("a token in two places", right().line(format!("GET {path}?token={token} HTTP/1.1")), 400),
        ("two tokens in the query", right().line(format!("GET {path}?token=a&token=b HTTP/1.1")), 400),
        ("a token and a payment", right().with("PAYMENT-SIGNATURE: e30="), 400),
        (
            "a token that is no UTF-8",
            right().without("Authorization").line(format!("GET {path}?token=%ff HTTP/1.1")),
            400,
        ),
        ("an unknown control", right().line(format!("GET {path}?control=v2 HTTP/1.1")), 400),
        ("a short stream id", right().with("Tollwire-Stream: 0123456789abcde"), 400),
        ("a long stream id", right().with(format!("Tollwire-Stream: {}", "a".repeat(65))), 400),
        ("a stream id with a slash", right().with("Tollwire-Stream: 0123456789abcdef/"), 400),
        ("a stream id with UTF-8", right().with("Tollwire-Stream: 0123456789abcdef\u{e9}"), 400),
        ("an empty stream id", right().with("Tollwire-Stream:"), 400),
        (
            "two stream ids",
            right().with("Tollwire-Stream: 0123456789abcdef").with("Tollwire-Stream: 0123456789abcdef"),
            400,
        ),
        (
            "a stream id in two places",
            right()
                .line(format!("GET {path}?stream=0123456789abcdef HTTP/1.1"))
                .with("Tollwire-Stream: 0123456789abcdef"),
            400,
        ),
        (
            "a stream id with NUL",
            right().line(format!("GET {path}?stream=0123456789abcdef%00 HTTP/1.1")),
            400,
        ),
    ]
}

#[tokio::test]
async fn wrong_handshakes_are_refused_and_cost_nothing() {
    let world = World::start(Mode::Echo, |_| {}).await;
    let token = world.token(10).await;
    for (name, attempt, expected) in wrong(&token).into_iter().chain(wrong_for_us(&token)) {
        let (_, answer) = Raw::ask(world.facilitator.port(), &head(&attempt.line, &attempt.lines)).await;
        assert_eq!(status(&answer), expected, "{name}: {answer}");
        if expected == 426 {
            let lower = answer.to_ascii_lowercase();
            assert!(
                lower.contains("sec-websocket-version: 13") && lower.contains("upgrade: websocket"),
                "{answer}"
            );
        }
        assert!(!answer.contains(&token), "{name}: the answer repeats the token");
    }
    let metrics = tollwire_tests::http::get(&world.facilitator.admin_url("/metrics"), &[]).await.text();
    assert!(!metrics.contains(&token));
    assert_eq!(world.feed.counts().requests, 0, "no upstream was dialled for them");
    assert_eq!(world.remaining(&token).await, 10);
    let right = Attempt::right(&token);
    let (_, answer) = Raw::ask(world.facilitator.port(), &head(&right.line, &right.lines)).await;
    assert_eq!(status(&answer), 101, "the same without a mistake: {answer}");
}
