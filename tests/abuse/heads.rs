//! Requests that two servers might read differently, and other heads that no honest client sends.

use tollwire_testkit::feed::{Message, Mode};
use tollwire_tests::raw::{Raw, head, masked, status, upgrade_lines};
use tollwire_tests::world::World;

const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n";

#[tokio::test]
async fn a_request_with_two_lengths_never_hides_another() {
    let world = World::start(Mode::Echo, |_| {}).await;
    let port = world.facilitator.port();
    let json = r#"{"x402Version":2}"#;
    let chunked = format!("{:x}\r\n{json}\r\n0\r\n\r\n", json.len());
    let hidden = HIDDEN.len();
    let lines = [
        format!("Content-Length: {hidden}\r\nTransfer-Encoding: chunked"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {hidden}"),
        format!("Content-Length: 5\r\nContent-Length: {hidden}"),
        format!("Content-Length: 5, {hidden}"),
        format!("Content-Length: +{hidden}"),
        "Content-Length: 0x10".to_owned(),
        "Content-Length: -1".to_owned(),
        "Content-Length: 18446744073709551617".to_owned(),
        "Transfer-Encoding: chunked, identity".to_owned(),
        "Transfer-Encoding: identity".to_owned(),
        "Transfer-Encoding: xchunked".to_owned(),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity".to_owned(),
        "Transfer-Encoding : chunked".to_owned(),
        "Transfer-Encoding:\r\n chunked".to_owned(),
        "X: y\r\n\tTransfer-Encoding: chunked".to_owned(),
    ];
    for lines in lines {
        let mut raw = Raw::connect(port).await;
        let request = format!(
            "POST /verify HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n\r\n{chunked}{HIDDEN}"
        );
        raw.send(request.as_bytes()).await;
        let (_, answers) = raw.end().await;
        let (first, rest) = answers.split_at(answers.len().min(9));
        assert!(!rest.contains("HTTP/1.1 "), "a second request was answered: {lines:?}: {answers}");
        assert!(first.is_empty() || status(&answers) == 400, "{lines:?}: {answers}");
    }
}

#[tokio::test]
async fn chunks_that_are_none_are_refused() {
    let world = World::start(Mode::Echo, |_| {}).await;
    for body in [
        "xyz\r\n",
        "-1\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\n",
        "5;\nx\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
    ] {
        let mut raw = Raw::connect(world.facilitator.port()).await;
        let head =
            "POST /settle HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
        raw.send(format!("{head}{body}{HIDDEN}").as_bytes()).await;
        let (_, answers) = raw.end().await;
        assert!(answers.is_empty() || status(&answers) == 400, "{body:?}: {answers}");
        assert!(!answers.contains("404"), "{body:?}: {answers}");
    }
}

#[tokio::test]
async fn heads_that_break_the_grammar_are_refused() {
    let world = World::start(Mode::Echo, |_| {}).await;
    let port = world.facilitator.port();
    let ask = |line: &str, lines: &str| format!("{line}\r\n{lines}\r\n");
    let fine = "GET /feeds HTTP/1.1";
    let long = format!("X: {}\r\nHost: x\r\n", "a".repeat(60_000));
    let many = format!("Host: x\r\n{}", "X: y\r\n".repeat(200));
    let cases = [
        ("no host", ask(fine, ""), 400),
        ("two hosts", ask(fine, "Host: a\r\nHost: b\r\n"), 400),
        ("the same host twice", ask(fine, "Host: a\r\nHost: a\r\n"), 400),
        ("NUL in a value", ask(fine, "Host: x\r\nX: a\0b\r\n"), 400),
        ("NUL in the target", ask("GET /fe\0eds HTTP/1.1", "Host: x\r\n"), 400),
        ("CR in a value", ask(fine, "Host: x\r\nX: a\rb\r\n"), 400),
        ("a folded line", ask(fine, "Host: x\r\nX: a\r\n b\r\n"), 400),
        ("a line that begins with a space", ask(fine, " Host: x\r\n"), 400),
        ("a space before the colon", ask(fine, "Host: x\r\nX : a\r\n"), 400),
        ("a name with a space", ask(fine, "Host: x\r\nX y: a\r\n"), 400),
        ("no colon", ask(fine, "Host: x\r\nnonsense\r\n"), 400),
        ("an empty name", ask(fine, "Host: x\r\n: a\r\n"), 400),
        ("an unknown version", ask("GET /feeds HTTP/3.0", "Host: x\r\n"), 400),
        ("HTTP/2 by prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 400),
        ("no version", "GET /feeds\r\nHost: x\r\n\r\n".to_owned(), 400),
        ("a lower case version", ask("GET /feeds http/1.1", "Host: x\r\n"), 400),
        ("a target with a space", ask("GET /fe eds HTTP/1.1", "Host: x\r\n"), 400),
        ("an odd method", ask("GE/T /feeds HTTP/1.1", "Host: x\r\n"), 400),
        ("an unknown method", ask("BREW /feeds HTTP/1.1", "Host: x\r\n"), 405),
        ("TRACE", ask("TRACE /feeds HTTP/1.1", "Host: x\r\n"), 405),
        ("a tunnel", ask("CONNECT 127.0.0.1:22 HTTP/1.1", "Host: x\r\n"), 404),
        ("the authority for a target", ask("GET 127.0.0.1:22 HTTP/1.1", "Host: x\r\n"), 404),
        ("the asterisk for a target", ask("GET * HTTP/1.1", "Host: x\r\n"), 404),
        ("another scheme", ask("GET file:///etc/passwd HTTP/1.1", "Host: x\r\n"), 400),
        ("TLS in the clear", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}".repeat(100), 400),
        ("a long line", ask(fine, &long), 431),
        ("many lines", ask(fine, &many), 431),
        ("a long target", ask(&format!("GET /feeds?{} HTTP/1.1", "q".repeat(70_000)), "Host: x\r\n"), 414),
    ];
    for (name, request, expected) in cases {
        let (_, answer) = Raw::ask(port, &request).await;
        let got = status(&answer);
        // Where no HTTP can be made out, ending the connection is an answer.
        let ended = got == 0 && expected == 400;
        let too_long = matches!(expected, 414 | 431) && matches!(got, 414 | 431);
        assert!(got == expected || ended || too_long, "{name}: {answer}");
    }
}

#[tokio::test]
async fn a_feed_is_named_in_one_way_only() {
    let world = World::start(Mode::Echo, |_| {}).await;
    let token = world.token(10).await;
    for path in [
        "/feeds/%74icks/ws",
        "/feeds/ticks%00/ws",
        "/feeds/ticks%2Fws",
        "/feeds/../feeds/ticks/ws",
        "/feeds/./ticks/ws",
        "/feeds//ticks/ws",
        "//feeds/ticks/ws",
        "/feeds/ticks/ws/",
        "/feeds/TICKS/ws",
        "/feeds/ticks/%77s",
        "/feeds/ticks;x=1/ws",
        "/admin/feeds",
        "/metrics",
        "/readyz",
    ] {
        let line = format!("GET {path}?token={token} HTTP/1.1");
        let (_, answer) = Raw::ask(world.facilitator.port(), &head(&line, &upgrade_lines())).await;
        assert_eq!(status(&answer), 404, "{path}: {answer}");
    }
    assert_eq!(world.remaining(&token).await, 10);
}

#[tokio::test]
async fn an_absolute_target_names_no_other_host() {
    let world = World::start(Mode::Echo, |_| {}).await;
    let token = world.token(10).await;
    let target = format!("http://evil.example:1{}", World::target(&token));
    let mut raw = Raw::upgraded(world.facilitator.port(), &target).await;
    raw.send(&masked(0x81, b"hello")).await;
    assert_eq!(raw.frame().await.unwrap().payload, b"hello");
    let seen = format!("{:?}", world.feed.requests());
    assert!(seen.contains("\"/stream\"") && !seen.contains("evil"), "{seen}");
    let absolute = "GET http://evil.example/feeds/ticks/session HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    let (mut raw, _) = Raw::ask(world.facilitator.port(), absolute).await;
    raw.send(b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    let (_, bill) = raw.end().await;
    assert!(bill.contains("127.0.0.1") && !bill.contains("evil.example"), "{bill}");
}

#[tokio::test]
async fn what_follows_an_upgrade_is_frames_and_no_request() {
    let world = World::start(Mode::Echo, |_| {}).await;
    let token = world.token(10).await;
    let target = World::target(&token);
    // A second upgrade behind the first: no second stream, no second unit, and nothing of it upstream.
    let upgrade = head(&format!("GET {target} HTTP/1.1"), &upgrade_lines());
    let (mut raw, answer) = Raw::ask(world.facilitator.port(), &upgrade.repeat(3)).await;
    assert_eq!(status(&answer), 101);
    assert_eq!(raw.close_code().await, Some(1002));
    assert_eq!(world.feed.counts().requests, 1);
    assert_eq!(world.remaining(&token).await, 9);

    // Frames that come with the upgrade are the stream's first.
    let mut together = upgrade.into_bytes();
    together.extend(masked(0x81, b"early"));
    let mut raw = Raw::connect(world.facilitator.port()).await;
    raw.send(&together).await;
    assert_eq!(status(&raw.head().await), 101);
    assert_eq!(raw.frame().await.unwrap().payload, b"early");

    // A request behind a refused upgrade is a request like any other.
    let refused = head("GET /feeds/ticks/ws?token=x HTTP/1.1", &upgrade_lines());
    let next = "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut raw = Raw::connect(world.facilitator.port()).await;
    raw.send(format!("{refused}{next}").as_bytes()).await;
    let (_, answers) = raw.end().await;
    assert_eq!(status(&answers), 401, "{answers}");
    assert!(!answers.contains("101 Switching"), "{answers}");
}

#[tokio::test]
async fn a_huge_query_reaches_the_upstream_whole_or_is_refused() {
    let world = World::start(Mode::Echo, |_| {}).await;
    let token = world.token(10).await;
    let long = "q".repeat(20_000);
    let url = format!("{}&{long}=1&a=%00%ff&a[]=2&&=", world.ws(&token));
    let mut stream = tollwire_tests::ws::open(&url, &[]).await.unwrap();
    stream.echo(Message::text("hello")).await;
    let seen = world.feed.requests().pop().unwrap();
    assert_eq!(seen.target, format!("/stream?{long}=1&a=%00%ff&a[]=2&="));
}
