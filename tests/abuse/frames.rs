//! Frames that break RFC 6455, and floods of small ones: the agent is told which rule it broke, the upstream gets an
//! orderly close and nothing of the bad frame.

use futures_util::StreamExt as _;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::{Error, Message};
use tollwire_testkit::feed::Mode;
use tollwire_tests::facilitator::Facilitator;
use tollwire_tests::raw::{Raw, masked};
use tollwire_tests::settings::{Feed, Settings};
use tollwire_tests::world::{World, token};

/// A strict upstream that passes on what it gets; the channel's end is the connection's.
async fn upstream() -> (String, mpsc::Receiver<mpsc::Receiver<Result<Message, Error>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let (connections, seen) = mpsc::channel(16);
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (messages, received) = mpsc::channel(16);
            connections.send(received).await.ok();
            tokio::spawn(async move {
                let mut socket = tokio_tungstenite::accept_async(tcp).await.unwrap();
                while let Some(message) = socket.next().await {
                    messages.send(message).await.ok();
                }
            });
        }
    });
    (url, seen)
}

/// Frames after which the stream must end, and the code the agent must read.
fn violations() -> Vec<(&'static str, Vec<u8>, u16)> {
    let huge_length = |first: u8, length: u64| {
        let mut frame = vec![first, 0xFF];
        frame.extend(length.to_be_bytes());
        frame.extend([1, 2, 3, 4]);
        frame
    };
    let two = |first: Vec<u8>, second: Vec<u8>| [first, second].concat();
    let mut all = vec![
        ("an unmasked text", vec![0x81, 2, b'h', b'i'], 1002),
        ("an unmasked ping", vec![0x89, 0], 1002),
        ("an unmasked close", vec![0x88, 2, 3, 0xE8], 1002),
        ("a continuation of nothing", masked(0x80, b"x"), 1002),
        ("a last fragment twice", two(masked(0x81, b"x"), masked(0x80, b"y")), 1002),
        ("a message within a message", two(masked(0x01, b"x"), masked(0x81, b"y")), 1002),
        ("a binary within a text", two(masked(0x01, b"x"), masked(0x02, b"y")), 1002),
        ("a fragmented ping", masked(0x09, b"x"), 1002),
        ("a fragmented close", masked(0x08, &[3, 0xE8]), 1002),
        ("a long ping", masked(0x89, &[b'x'; 126]), 1002),
        ("a long close", masked(0x88, &[3; 126]), 1002),
        ("a length of 64 bits", huge_length(0x82, u64::MAX), 1002),
        ("a frame of 2^62 bytes", huge_length(0x82, 1 << 62), 1009),
        ("a frame just too long", huge_length(0x82, 65_537), 1009),
        (
            "a message too long in fragments",
            two(masked(0x02, &vec![0; 40_000]), masked(0x80, &vec![0; 40_000])),
            1009,
        ),
    ];
    all.extend(
        [3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF]
            .map(|opcode| ("a reserved opcode", masked(0x80 | opcode, b""), 1002)),
    );
    all
}

#[tokio::test]
async fn a_frame_that_breaks_a_rule_ends_the_stream_and_the_upstream_is_closed_in_order() {
    let (url, mut connections) = upstream().await;
    let mut settings = Settings::dev(vec![Feed::ticks(url)]);
    settings.limits = "frame_bytes = 65536\nmessage_bytes = 65536".into();
    let facilitator = Facilitator::start(settings).await;
    let target = World::target(&token(&facilitator, 100).await);
    for (name, bytes, code) in violations() {
        let mut agent = Raw::upgraded(facilitator.port(), &target).await;
        let mut seen = connections.recv().await.unwrap();
        agent.send(&masked(0x81, b"before")).await;
        agent.send(&bytes).await;
        assert_eq!(agent.close_code().await, Some(code), "{name}");
        // And the connection ends without waiting for the agent's own close for long.
        assert!(agent.end().await.0 < Duration::from_secs(8), "{name}");
        assert_eq!(seen.recv().await.unwrap().unwrap(), Message::text("before"), "{name}");
        let mut last = seen.recv().await.unwrap().unwrap_or_else(|error| panic!("{name}: {error}"));
        while last.is_text() || last.is_binary() {
            last = seen.recv().await.unwrap().unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        let Message::Close(Some(close)) = last else { panic!("{name}: the upstream got {last:?}") };
        assert_eq!(u16::from(close.code), 1000, "{name}");
        while let Some(more) = seen.recv().await {
            assert!(more.is_err(), "{name}: after the close came {more:?}");
        }
    }
}

#[tokio::test]
async fn floods_of_control_frames_end_the_stream() {
    let world = World::start(Mode::Echo, |settings| settings.limits = "control_frames = 50".into()).await;
    let token = world.token(10).await;
    let empty_fragment = masked(0x00, b"");
    for (name, opening, frame) in [
        ("pings", vec![], masked(0x89, b"0123456789")),
        ("pongs", vec![], masked(0x8A, b"")),
        ("empty fragments", masked(0x01, b""), empty_fragment),
    ] {
        let mut agent = Raw::upgraded(world.facilitator.port(), &World::target(&token)).await;
        agent.send(&opening).await;
        for _ in 0..20 {
            agent.send(&frame.repeat(50)).await;
        }
        assert_eq!(agent.close_code().await, Some(1008), "{name}");
    }
    world.settled(&token, Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_few_pings_per_second_are_no_flood() {
    let world = World::start(Mode::Echo, |settings| settings.limits = "control_frames = 50".into()).await;
    let token = world.token(1).await;
    let mut agent = Raw::upgraded(world.facilitator.port(), &World::target(&token)).await;
    for n in 0..80_u8 {
        agent.send(&masked(0x89, &[n])).await;
        let pong = agent.frame().await.unwrap();
        assert_eq!((pong.first, pong.payload), (0x8A, vec![n]));
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}
