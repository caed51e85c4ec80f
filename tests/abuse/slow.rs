//! Clients that begin and do not go on: heads, TLS handshakes, bodies; and those that do not read their answers.

use futures_util::future::join_all;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;
use tollwire_testkit::feed::Mode;
use tollwire_tests::facilitator::Facilitator;
use tollwire_tests::http::get;
use tollwire_tests::raw::{Raw, status};
use tollwire_tests::settings::{Feed, Settings};
use tollwire_tests::world::World;

/// Trickles `bytes` over and over, one per 100 ms, until the connection ends; how long that took and what came.
async fn trickle(mut raw: Raw, bytes: &[u8]) -> (Duration, String) {
    let begun = Instant::now();
    for byte in bytes.iter().cycle() {
        if raw.stream.write_all(&[*byte]).await.is_err() || begun.elapsed() > Duration::from_secs(20) {
            break;
        }
        let ended = tokio::time::timeout(Duration::from_millis(100), raw.end()).await;
        if let Ok((_, text)) = ended {
            return (begun.elapsed(), text);
        }
    }
    (begun.elapsed(), String::new())
}

#[tokio::test]
async fn heads_that_never_end_are_closed_while_others_are_served() {
    let world = World::start(Mode::Echo, |settings| settings.limits = "header_read = \"2s\"".into()).await;
    let port = world.facilitator.port();
    let slow = (0..60).map(|n| async move {
        let mut raw = Raw::connect(port).await;
        if n % 2 == 0 {
            raw.send(b"GET /feeds/ticks/ws HTTP/1.1\r\nHost: x\r\n").await;
        }
        trickle(raw, b"X-Slow: y\r\n").await.0
    });
    let slow = tokio::spawn(join_all(slow));
    tokio::time::sleep(Duration::from_millis(300)).await;
    for _ in 0..10 {
        let asked = Instant::now();
        assert_eq!(get(&world.facilitator.url("/feeds/ticks/session"), &[]).await.status, 402);
        assert!(asked.elapsed() < Duration::from_secs(1), "an honest request waited {:?}", asked.elapsed());
    }
    for took in slow.await.unwrap() {
        assert!(took < Duration::from_secs(5), "half a head lived for {took:?}");
    }
}

#[tokio::test]
async fn tls_handshakes_that_never_end_are_closed() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut settings = Settings::dev(vec![Feed::ticks("ws://127.0.0.1:9/")]);
    settings.top = format!("tls = {{ cert = {cert:?}, key = {key:?} }}");
    let facilitator = Facilitator::start(settings).await;
    let port = facilitator.port();
    let silent = async { Raw::connect(port).await.end().await.0 };
    // A record of a hello that says it is 512 bytes long, and never is.
    let slow =
        async { trickle(Raw::connect(port).await, &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3, 7]).await.0 };
    let plain = async {
        let mut raw = Raw::connect(port).await;
        raw.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        raw.end().await.0
    };
    let (silent, slow, plain) = tokio::join!(silent, slow, plain);
    for took in [silent, slow] {
        assert!(took < Duration::from_secs(8), "half a handshake lived for {took:?}");
    }
    assert!(plain < Duration::from_secs(2), "HTTP in the clear is no handshake: {plain:?}");
}

#[tokio::test]
async fn bodies_that_never_end_are_refused_and_closed() {
    let world = World::start(Mode::Echo, |_| {}).await;
    let port = world.facilitator.port();
    let slow = join_all((0..20).map(|_| async move {
        let mut raw = Raw::connect(port).await;
        let head = "POST /verify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n";
        raw.send(head.as_bytes()).await;
        trickle(raw, b"{\"a\":1}").await
    }));
    let honest = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let asked = Instant::now();
        assert_eq!(get(&world.facilitator.url("/supported"), &[]).await.status, 200);
        assert!(asked.elapsed() < Duration::from_secs(1));
    };
    let (slow, ()) = tokio::join!(slow, honest);
    for (took, answer) in slow {
        assert!(took < Duration::from_secs(13), "a slow body lived for {took:?}");
        assert_eq!(status(&answer), 400, "{answer}");
    }
}

#[tokio::test]
async fn answers_nobody_reads_do_not_stay_for_ever() {
    let world = World::start(Mode::Echo, |settings| settings.limits = "answer_stall = \"2s\"".into()).await;
    let mut raw = Raw::connect(world.facilitator.port()).await;
    let asks = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(200);
    let begun = Instant::now();
    // Asks on and on, reads nothing: first the answers stop, then the questions, then the connection ends.
    let ended = async { while raw.stream.write_all(asks.as_bytes()).await.is_ok() {} };
    let ended = tokio::time::timeout(Duration::from_secs(20), ended).await;
    assert!(ended.is_ok(), "still open after {:?}", begun.elapsed());
}
