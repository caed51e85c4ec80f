//! Frames of every kind and size, cut into TCP segments anyhow, in both directions at once.

use crate::raw::{
    BINARY, BINARY_BEGINS, CONTINUES, ENDS, From, PING, PONG, Random, Stream, TEXT, TEXT_BEGINS, expect,
    frame, head, rest, write_in_pieces,
};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tollwire_testkit::link::Faults;

/// The largest message.
const LARGEST: usize = 16 << 20;

/// Sends each side's bytes to the other, both at once; what arrives must be what was sent.
async fn exchange(stream: &mut Stream, up: &[u8], down: &[u8], longest_piece: usize, what: &str) {
    let (mut from_agent, mut to_agent) = stream.agent.split();
    let (mut from_upstream, mut to_upstream) = stream.upstream.split();
    tokio::join!(
        write_in_pieces(&mut to_agent, up, longest_piece),
        write_in_pieces(&mut to_upstream, down, longest_piece),
        expect(&mut from_upstream, up, what),
        expect(&mut from_agent, down, what),
    );
}

/// Every kind of frame once, and the sizes where the header's form changes.
fn every_kind(from: From) -> Vec<u8> {
    let mut bytes = Vec::new();
    for size in [0, 1, 125, 126, 127, 65_535, 65_536, 65_537] {
        bytes.extend(frame(from, BINARY, &vec![0xfe; size]));
        bytes.extend(frame(from, TEXT, &vec![b'x'; size]));
    }
    for first in [TEXT_BEGINS, BINARY_BEGINS] {
        bytes.extend(frame(from, first, b"first "));
        bytes.extend(frame(from, PING, b"in the middle"));
        bytes.extend(frame(from, CONTINUES, b""));
        bytes.extend(frame(from, CONTINUES, &[0x81; 300]));
        bytes.extend(frame(from, PONG, &[0x88; 125]));
        bytes.extend(frame(from, ENDS, b"last"));
        bytes.extend(frame(from, first, b""));
        bytes.extend(frame(from, ENDS, b""));
    }
    bytes
}

#[tokio::test]
async fn every_kind_of_frame_in_pieces_of_any_length() {
    let mut stream = Stream::open().await;
    let (up, down) = (every_kind(From::Agent), every_kind(From::Upstream));
    for longest_piece in [65_536, 1_000] {
        exchange(&mut stream, &up, &down, longest_piece, "every kind").await;
    }
    // Byte by byte, up to the larger sizes.
    exchange(&mut stream, &up[..1_500], &down[..1_500], 1, "byte by byte").await;
    exchange(&mut stream, &up[1_500..], &down[1_500..], 65_536, "the rest").await;
}

/// A transcript of random messages in random fragments, with pings and pongs between the fragments.
fn random_messages(from: From, random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut controls = 0;
    for _ in 0..100 {
        let fragments = 1 + random.below(5);
        for number in 1..=fragments {
            let opcode = if number == 1 { 1 + u8::try_from(random.below(2)).unwrap() } else { 0 };
            let last = if number == fragments { 0x80 } else { 0 };
            let sizes = [1, 100, 1_000, 10_000, 70_000];
            let largest = sizes[random.below(sizes.len())];
            let length = 1 + random.below(largest);
            bytes.extend(frame(from, last | opcode, &random.bytes(length)));
            if random.below(8) == 0 && controls < 50 {
                controls += 1;
                let kind = [PING, PONG][random.below(2)];
                let length = random.below(126);
                bytes.extend(frame(from, kind, &random.bytes(length)));
            }
        }
    }
    bytes
}

#[tokio::test]
async fn random_messages_in_random_fragments_and_pieces() {
    let mut stream = Stream::open().await;
    let mut random = Random::new();
    let (up, down) =
        (random_messages(From::Agent, &mut random), random_messages(From::Upstream, &mut random));
    exchange(&mut stream, &up, &down, 5_000, &format!("seed {}", random.seed)).await;
}

#[tokio::test]
async fn over_a_link_that_is_slow_and_narrow() {
    let mut stream = Stream::open().await;
    let bytes_per_second = Some(2_000_000);
    stream.link.set(Faults { delay: Duration::from_millis(3), bytes_per_second, ..Faults::default() });
    let mut random = Random::new();
    let (up, down) =
        (random_messages(From::Agent, &mut random), random_messages(From::Upstream, &mut random));
    exchange(&mut stream, &up, &down, 1 << 20, &format!("seed {}", random.seed)).await;
}

#[tokio::test]
async fn sixteen_mebibytes_in_one_frame_and_in_many() {
    let mut stream = Stream::open().await;
    let payload: Vec<u8> = Random::new().bytes(1 << 16).repeat(LARGEST >> 16);
    let in_one = |from| frame(from, BINARY, &payload);
    exchange(&mut stream, &in_one(From::Agent), &in_one(From::Upstream), 1 << 20, "one frame").await;
    let in_many = |from| {
        let mut bytes = frame(from, BINARY_BEGINS, &payload[..1]);
        payload[1..LARGEST - 1].chunks(100_001).for_each(|part| bytes.extend(frame(from, CONTINUES, part)));
        bytes.extend(frame(from, ENDS, &payload[LARGEST - 1..]));
        bytes
    };
    exchange(&mut stream, &in_many(From::Agent), &in_many(From::Upstream), 1 << 20, "many frames").await;
}

#[tokio::test]
async fn one_byte_more_ends_the_stream_and_is_not_passed_on() {
    let mut stream = Stream::open().await;
    let whole = frame(From::Agent, TEXT, b"whole");
    stream.agent.write_all(&whole).await.unwrap();
    stream.agent.write_all(&head(From::Agent, BINARY, LARGEST + 1)).await.unwrap();
    let told = rest(&mut stream.agent).await;
    assert_eq!((told[0], u16::from_be_bytes([told[2], told[3]])), (0x88, 1009), "{told:x?}");
    let got = rest(&mut stream.upstream).await;
    let after = got.strip_prefix(whole.as_slice()).expect("what came before passes");
    assert_eq!(after.first(), Some(&0x88), "a close frame between frames: {after:x?}");
    assert!(after.len() <= 2 + 4 + 125, "and nothing else: {after:x?}");
}
