//! Upstreams that do not serve, and stores that do not answer: nothing is charged.

use crate::agent::{closed, exchange, handshake, open, opened, refused};
use crate::faults::{Fault, FaultyLedger};
use crate::node::{Node, TestClock, config, fund, route};
use crate::upstream::{RawUpstream, agree};
use futures_util::future;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tollwire_ledger::Ledger;
use tollwire_ledger::memory::MemoryLedger;
use tollwire_testkit::feed::{Mode, SampleFeed};

#[tokio::test]
async fn an_upstream_that_does_not_upgrade_costs_nothing() {
    let feed = SampleFeed::start(Mode::Silent).await.unwrap();
    let node = Node::start(route(&feed.url("/"))).await;
    let session = node.fund(1).await;
    let modes = [
        Mode::RefuseUpgrade(403),
        Mode::RefuseUpgrade(503),
        Mode::WrongAcceptKey,
        Mode::HangUp,
        Mode::NeverAnswer,
    ];
    for mode in modes {
        feed.set_mode(mode.clone());
        assert_eq!(refused(&node, &session, "").await, (502, "upstream".into(), None), "{mode:?}");
        // Given back before the answer, not some time after it.
        let row = node.session(&session).await;
        assert_eq!((row.remaining(), row.captured, row.held()), (1, 0, 0), "{mode:?}");
    }
    feed.set_mode(Mode::Echo);
    opened(&node, &session, "").await;
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_costs_nothing() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for upstream in
        [format!("ws://{closed}/"), "ws://no-such-host.invalid/".into(), format!("wss://{closed}/")]
    {
        let node = Node::start(route(&upstream)).await;
        let session = node.fund(1).await;
        assert_eq!(refused(&node, &session, "").await.0, 502, "{upstream}");
        node.settled(&session, 1, 0).await;
    }
}

#[tokio::test]
async fn an_upstream_that_resets_or_hangs_in_the_middle_costs_nothing() {
    let upstream = RawUpstream::start().await;
    let node = Node::start(route(&upstream.url("/"))).await;
    let session = node.fund(1).await;
    for (half_an_answer, reset) in
        [("", true), ("HTTP/1.1 101 Switching", true), ("HTTP/1.1 101 Switching", false)]
    {
        let served = async {
            let (mut tcp, _) = upstream.accept().await;
            tcp.write_all(half_an_answer.as_bytes()).await.unwrap();
            if reset {
                tcp.set_zero_linger().unwrap();
                return None;
            }
            Some(tcp)
        };
        let (refusal, _silent) = future::join(refused(&node, &session, ""), served).await;
        assert_eq!(refusal.0, 502);
        node.settled(&session, 1, 0).await;
    }
}

#[tokio::test]
async fn an_upstream_that_lies_costs_nothing() {
    let upstream = RawUpstream::start().await;
    let mut config = config();
    config.failed_dials_max = 100;
    let node = Node::on_new_ledger(route(&upstream.url("/")), config).await;
    let session = node.fund(1).await;
    let replies: [fn(&str) -> String; 8] = [
        |head| agree(head, "Sec-WebSocket-Protocol: never-offered\r\n"),
        |head| agree(head, "Sec-WebSocket-Extensions: x-never-offered\r\n"),
        |head| agree(head, "").replace("101 Switching Protocols", "200 OK"),
        |head| agree(head, "").replace("101 Switching Protocols", "302 Found\r\nLocation: ws://127.0.0.1:1/"),
        |head| agree(head, "").replace("Upgrade: websocket\r\n", ""),
        |head| agree(head, &format!("X-Padding: {}\r\n", "x".repeat(20_000))),
        |head| agree(head, &"X-Line: x\r\n".repeat(100)),
        |_| "SSH-2.0-OpenSSH_9.2\r\n\r\n".into(),
    ];
    for reply in replies {
        let served = async {
            let (mut tcp, head) = upstream.accept().await;
            // It may be cut off in the middle of a head that is too long.
            let _cut = tcp.write_all(reply(&head).as_bytes()).await;
        };
        let (refusal, ()) = future::join(refused(&node, &session, ""), served).await;
        assert_eq!(refusal, (502, "upstream".into(), None));
        node.settled(&session, 1, 0).await;
    }
}

#[tokio::test]
async fn an_upstream_that_ends_at_once_is_reversed() {
    let feed = SampleFeed::start(Mode::CloseAtOnce(1012)).await.unwrap();
    let node = Node::start(route(&feed.url("/"))).await;
    let session = node.fund(1).await;
    let mut socket = opened(&node, &session, "").await;
    assert_eq!(closed(&mut socket).await.0, 1012, "the upstream's own code passes");
    node.settled(&session, 1, 0).await;

    feed.set_mode(Mode::DropAtOnce);
    let mut socket = opened(&node, &session, "").await;
    assert_eq!(closed(&mut socket).await.0, 1011);
    node.settled(&session, 1, 0).await;

    // One data frame is a service.
    let message = tokio_tungstenite::tungstenite::Message::text("one");
    feed.set_mode(Mode::Script(vec![message], Some((1000, String::new()))));
    let mut socket = opened(&node, &session, "").await;
    assert_eq!(closed(&mut socket).await, (1000, String::new(), 1));
    node.settled(&session, 0, 1).await;
}

#[tokio::test]
async fn a_reopened_stream_is_not_reversed() {
    let feed = SampleFeed::start(Mode::Ticks(Duration::from_millis(10))).await.unwrap();
    let node = Node::start(route(&feed.url("/"))).await;
    let session = node.fund(1).await;
    let mut first = opened(&node, &session, "&stream=0123456789abcdef").await;
    crate::agent::next(&mut first).await;
    feed.set_mode(Mode::CloseAtOnce(1000));
    let mut second = opened(&node, &session, "&stream=0123456789abcdef").await;
    closed(&mut second).await;
    drop(first);
    node.settled(&session, 0, 1).await;
}

#[tokio::test]
async fn failed_opens_are_limited() {
    let feed = SampleFeed::start(Mode::RefuseUpgrade(500)).await.unwrap();
    let mut config = config();
    config.failed_dials_max = 3;
    let node = Node::on_new_ledger(route(&feed.url("/")), config).await;
    let (session, other) = (node.fund(5).await, node.fund(5).await);
    for _ in 0..3 {
        assert_eq!(refused(&node, &session, "").await.0, 502);
    }
    let (status, kind, retry) = refused(&node, &session, "").await;
    assert_eq!((status, kind.as_str()), (429, "too-many-failed-opens"));
    let seconds: u64 = retry.unwrap().parse().unwrap();
    assert!((55..=60).contains(&seconds), "{seconds}");
    assert_eq!(feed.counts().requests, 3, "the upstream is left alone");
    assert_eq!(refused(&node, &other, "").await.0, 502, "others are not concerned");
    node.settled(&session, 5, 0).await;
}

#[tokio::test]
async fn a_store_that_does_not_answer_gives_nothing_and_takes_nothing() {
    let feed = SampleFeed::start(Mode::Silent).await.unwrap();
    let clock = Arc::new(TestClock::default());
    let inner: Arc<dyn Ledger> = Arc::new(MemoryLedger::new(clock.clone()));
    let faulty = Arc::new(FaultyLedger::new(inner));
    let node = Node::on(faulty.clone(), clock, route(&feed.url("/")), config(), None).await;
    let session = fund(&*faulty, 1).await;
    let refusal = || async {
        let (status, kind, retry) = refused(&node, &session, "").await;
        assert_eq!((status, kind.as_str(), retry.as_deref()), (503, "store-unavailable", Some("1")));
    };
    faulty.set(Fault::Down);
    refusal().await;
    assert_eq!(feed.counts().requests, 0, "no hold, no dial");

    faulty.set(Fault::PostsFail);
    refusal().await;
    node.settled(&session, 1, 0).await;

    // The unit was captured, but nobody could be told: it comes back.
    faulty.set(Fault::PostAnswersLost);
    refusal().await;
    node.settled(&session, 1, 0).await;
    let within = Duration::from_secs(10);
    feed.wait_for(|counts| counts.requests == 2 && counts.open == 0, within).await.unwrap();

    faulty.set(Fault::None);
    opened(&node, &session, "").await;
}

#[tokio::test]
async fn what_is_no_handshake_costs_nothing() {
    let node = Node::start(route("ws://127.0.0.1:9/")).await;
    let session = node.fund(1).await;
    let good = handshake(&session, "", "");
    let cases = [
        (good.replace("Version: 13", "Version: 8"), "426"),
        (good.replace("Upgrade: websocket\r\n", ""), "426"),
        (good.replace("GET", "POST"), "405"),
        (good.replace("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="), "400"),
        (handshake(&session, "", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), "400"),
        (handshake(&session, "", "Sec-WebSocket-Version: 13\r\n"), "400"),
        (handshake(&session, "", "Origin: a\r\nOrigin: b\r\n"), "400"),
        (handshake(&session, "", "Content-Length: 3\r\n") + "abc", "400"),
        (handshake(&session, "", "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n", "400"),
        (handshake(&session, "", "Sec-WebSocket-Protocol: a, a\r\n"), "400"),
        (handshake(&session, "", "Sec-WebSocket-Extensions: ;\r\n"), "400"),
    ];
    for (request, status) in cases {
        let (_tcp, head) = exchange(&node, request.as_bytes()).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request}\n{head}");
        assert_eq!(head.contains("sec-websocket-version: 13\r\n"), status == "426", "{head}");
    }
    node.settled(&session, 1, 0).await;
    assert!(open(&node, &session, "").await.is_err(), "port 9 is closed");
}
