//! One connection: what ends it, and that it disturbs no other.

use crate::rig::{Rig, ask, ended, frame, get, send};
use serde_json::json;
use std::time::{Duration, Instant};
use tollwire_tests::broker::{Broker, BrokerSettings};
use tollwire_tests::http;
use tollwire_tests::raw::{Raw, head, masked, status, upgrade_lines};
use tollwire_tests::ws::{open, try_open};

const TARGET: &str = "/api/ws/relay";

#[tokio::test]
async fn frames_that_cannot_be_taken_end_the_connection_with_their_code() {
    let rig = Rig::limited("frame_bytes = 10000").await;
    for (frame, code) in [
        (masked(0x81, &[b'x'; 10_001]), 1009),
        (masked(0x82, b"bytes"), 1003),
        (masked(0x81, &[0xFF, 0xFE]), 1007),
        (masked(0x83, b"x"), 1002),
        (masked(0xC1, b"x"), 1002),
        (vec![0x81, 0x01, b'x'], 1002),
    ] {
        let mut raw = Raw::upgraded(rig.broker.port(), TARGET).await;
        raw.send(&frame).await;
        assert_eq!(raw.close_code().await, Some(code), "{:?}", &frame[..2]);
    }
    // A message in fragments is a message, and its limit is that of one.
    let mut raw = Raw::upgraded(rig.broker.port(), TARGET).await;
    raw.send(&masked(0x01, br#"{"id":1,"meth"#)).await;
    raw.send(&masked(0x80, br#"od":"x"}"#)).await;
    assert!(String::from_utf8(raw.frame().await.unwrap().payload).unwrap().contains("No handler"));
    for first in [0x01, 0x00, 0x00] {
        raw.send(&masked(first, &[b'x'; 4_000])).await;
    }
    assert_eq!(raw.close_code().await, Some(1009));
}

#[tokio::test]
async fn nonsense_is_borne_for_a_while() {
    let rig = Rig::start().await;
    let mut socket = rig.open().await;
    for _ in 0..19 {
        assert_eq!(ask(&mut socket, &json!("nonsense")).await["error"]["code"], 400);
    }
    send(&mut socket, &json!("nonsense")).await;
    assert_eq!(ended(&mut socket).await, 1008);
}

#[tokio::test]
async fn pages_of_others_and_what_is_no_handshake_are_refused() {
    let rig = Rig::start().await;
    let page = |origin: &str| {
        let (origin, url) = (origin.to_owned(), rig.broker.socket_url());
        async move { try_open(&url, &[("origin", &origin)]).await.unwrap() }
    };
    assert!(page(&rig.broker.url("")).await.is_ok(), "its own pages");
    for origin in ["https://evil.example", "null", "http://localhost"] {
        assert_eq!(page(origin).await.err().unwrap().status, 403, "{origin}");
    }
    let twin = http::get(&rig.broker.url("/relay/demo/echo"), &[("origin", "https://evil.example")]).await;
    assert_eq!(twin.status, 403);
    assert_eq!(rig.api.seen().len(), 0);

    let top = "origins = [\"https://app.example\"]".to_owned();
    let broker = Broker::start(&BrokerSettings { top, ..BrokerSettings::default() }).await;
    assert!(open(&broker.socket_url(), &[("origin", "https://app.example")]).await.is_ok());

    for (line, instead, expected) in [
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8", 426),
        ("Upgrade: websocket", "Upgrade: h2c", 400),
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13\r\nContent-Length: 5", 400),
    ] {
        let lines: Vec<String> =
            upgrade_lines().into_iter().map(|old| if old == line { instead.into() } else { old }).collect();
        let (_, answer) = Raw::ask(rig.broker.port(), &head("GET /api/ws/relay HTTP/1.1", &lines)).await;
        assert_eq!(status(&answer), expected, "{instead}: {answer}");
    }
    assert_eq!(http::get(&rig.broker.url(TARGET), &[]).await.status, 400);
    assert_eq!(http::get(&rig.broker.url("/elsewhere"), &[]).await.status, 404);
}

#[tokio::test]
async fn a_silent_peer_is_pinged_and_then_gone() {
    let rig = Rig::limited("heartbeat = \"500ms\"").await;
    // tungstenite answers pings while it reads.
    let mut alive = rig.open().await;
    let mut silent = Raw::upgraded(rig.broker.port(), TARGET).await;
    let begun = Instant::now();
    let ping = silent.frame().await.unwrap();
    assert_eq!((ping.first, ping.payload.len()), (0x89, 0));
    alive.read_for(Duration::from_secs(2)).await;
    assert_eq!(silent.close_code().await, Some(4012));
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
    assert_eq!(ask(&mut alive, &get(1, "/status?200")).await["metadata"]["status"], 200);
}

/// What a peer does not take stays with the API, and after a while the peer is cut off; nobody else notices.
#[tokio::test]
async fn a_slow_reader_is_cut_off_and_slows_nobody() {
    let mut rig = Rig::limited("stall = \"2s\"").await;
    let mut slow = Raw::upgraded(rig.broker.port(), TARGET).await;
    for id in 0..60_u64 {
        let kind = if id % 2 == 0 { "bytes" } else { "chunks" };
        slow.send(&masked(0x81, get(id, &format!("/{kind}?1000000")).to_string().as_bytes())).await;
    }
    rig.api.asked(60).await;
    let mut quick = rig.open().await;
    let begun = Instant::now();
    for id in 0..100_u64 {
        assert_eq!(ask(&mut quick, &get(id, "/status?200")).await["id"], id);
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    rig.broker.line("a peer takes nothing").await;
    assert_eq!(slow.close_code().await, Some(4013));
}

#[tokio::test]
async fn large_answers_all_arrive_at_one_that_reads() {
    let rig = Rig::start().await;
    let mut socket = rig.open().await;
    for id in 0..12_u64 {
        let kind = if id % 2 == 0 { "bytes" } else { "chunks" };
        send(&mut socket, &get(id, &format!("/{kind}?1000000"))).await;
    }
    let mut ids = Vec::new();
    for _ in 0..12 {
        let answer = frame(&mut socket).await;
        assert_eq!(answer["result"].as_str().unwrap().len(), 1_000_000);
        ids.push(answer["id"].as_u64().unwrap());
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..12).collect::<Vec<_>>());
}

#[tokio::test]
async fn sockets_are_bounded_and_their_close_codes_published() {
    let rig = Rig::limited("sockets = 1").await;
    let socket = rig.open().await;
    let refused = open(&rig.broker.socket_url(), &[]).await.err().unwrap();
    assert_eq!(refused.status, 503);
    socket.close().await;
    let again = async { while open(&rig.broker.socket_url(), &[]).await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(10), again).await.expect("its seat did not come free");

    let published = http::get(&rig.broker.url("/close-codes"), &[]).await.json();
    let codes = published["codes"].as_array().unwrap();
    let of = |code: u16| codes.iter().find(|row| row["code"] == code).unwrap()["reconnect"].clone();
    assert_eq!(
        (of(1001), of(1008), of(1013), of(4013)),
        (json!("yes"), json!("no"), json!("backoff"), json!("yes"))
    );
}
