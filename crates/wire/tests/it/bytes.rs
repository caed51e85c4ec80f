//! Bytes through the pump equal bytes sent, whatever they are and however they are cut.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use proptest::prelude::*;
use tokio::io::{AsyncWriteExt, duplex};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tollwire_wire::{Control, End, Limits, Pump, Side};

use crate::common::{
    BINARY, CLOSE, CONTINUATION, Frame, PING, PONG, TEXT, noise, pipes, sockets, soon, wide,
};

/// Every kind of frame that passes: sizes around each length encoding, fragments with pings between them,
/// compressed frames, empty ones.
fn assortment() -> Vec<Frame> {
    let mut frames = Vec::new();
    for len in [0, 1, 125, 126, 127, 65_535, 65_536, 200_000] {
        frames.push(Frame::new(TEXT, vec![b'x'; len]));
        frames.push(Frame { rsv1: true, ..Frame::new(BINARY, noise(len)) });
    }
    frames.extend([
        Frame::part(TEXT, "one "),
        Frame::new(PING, "in the middle"),
        Frame::part(CONTINUATION, ""),
        Frame::part(CONTINUATION, noise(70_000)),
        Frame::new(PONG, noise(125)),
        Frame::new(CONTINUATION, "end"),
        Frame::new(PING, ""),
    ]);
    frames
}

#[tokio::test]
async fn every_kind_of_frame_passes_both_ways() {
    let frames = assortment();
    let upward: Vec<u8> = frames.iter().flat_map(Frame::masked).collect();
    let downward: Vec<u8> = frames.iter().flat_map(Frame::unmasked).collect();
    let mut rig = sockets(Limits::default()).await;
    let (up_len, down_len) = (upward.len(), downward.len());
    soon(async {
        let (mut agent_read, mut agent_write) = rig.agent.socket.into_split();
        let (mut upstream_read, mut upstream_write) = rig.upstream.socket.into_split();
        let mut at_upstream = vec![0; up_len];
        let mut at_agent = vec![0; down_len];
        let moved = tokio::join!(
            agent_write.write_all(&upward),
            upstream_write.write_all(&downward),
            tokio::io::AsyncReadExt::read_exact(&mut upstream_read, &mut at_upstream),
            tokio::io::AsyncReadExt::read_exact(&mut agent_read, &mut at_agent),
        );
        assert!(moved.0.is_ok() && moved.1.is_ok() && moved.2.is_ok() && moved.3.is_ok());
        assert!(at_upstream == upward, "bytes changed on the way up");
        assert!(at_agent == downward, "bytes changed on the way down");
        drop((agent_read, agent_write));
        drop((upstream_read, upstream_write));
    })
    .await;
    let report = soon(&mut rig.pump).await.unwrap();
    assert_eq!(report.from_agent.bytes, wide(upward.len()));
    assert_eq!(report.from_upstream.bytes, wide(downward.len()));
    assert_eq!(report.from_upstream.messages, 17);
    assert_eq!(report.from_upstream.data_frames, 20);
    assert_eq!(report.from_upstream.control_frames, 3);
    assert!(report.first_upstream_data.is_some());
}

#[tokio::test]
async fn a_message_of_16_mib_passes_and_one_byte_more_does_not() {
    let mut rig = sockets(Limits::default()).await;
    let payload = noise(16 << 20);
    let largest = Frame::new(BINARY, payload).unmasked();
    let (mut agent, mut upstream) = (rig.agent, rig.upstream);
    soon(async {
        let ((), got) = tokio::join!(upstream.send(&largest), agent.exactly(largest.len()));
        assert!(got == largest);
        upstream.send(&Frame::new(BINARY, vec![0; (16 << 20) + 1]).unmasked()[..100]).await;
        let close = agent.frame().await.unwrap();
        assert_eq!(close.close_code(), Some(1009));
        agent.send(&Frame::close(1009, "").masked()).await;
        assert_eq!(upstream.frame().await.unwrap().close_code(), Some(1009));
        drop((agent, upstream));
    })
    .await;
    let report = soon(&mut rig.pump).await.unwrap();
    assert!(matches!(report.end, End::Violated(Side::Upstream, _)));
    assert_eq!(report.from_upstream.messages, 1);
}

#[tokio::test]
async fn what_came_with_the_handshake_is_passed_first() {
    let (agent, agent_side) = duplex(1024);
    let (upstream, upstream_side) = duplex(1024);
    let early = Frame::new(TEXT, "early");
    // The upstream's first frame is cut inside its header.
    let pump = Pump::new(
        agent_side,
        Bytes::from(early.masked()),
        upstream_side,
        Bytes::copy_from_slice(&early.unmasked()[..1]),
        Limits::default(),
    );
    let pump = tokio::spawn(pump.run(Control::new()));
    let (mut agent, mut upstream) = (crate::common::Peer::new(agent), crate::common::Peer::new(upstream));
    upstream.send(&early.unmasked()[1..]).await;
    assert_eq!(agent.frame().await, Some(early.clone()));
    assert_eq!(upstream.frame().await, Some(early));
    pump.abort();
}

#[tokio::test]
async fn a_websocket_library_on_either_side_sees_the_other() {
    let mut rig = sockets(Limits::default()).await;
    let mut agent = WebSocketStream::from_raw_socket(rig.agent.socket, Role::Client, None).await;
    let mut upstream = WebSocketStream::from_raw_socket(rig.upstream.socket, Role::Server, None).await;
    let echo = tokio::spawn(async move {
        while let Some(Ok(message)) = upstream.next().await {
            if message.is_text() || message.is_binary() {
                upstream.send(message).await.unwrap();
            }
        }
    });
    soon(async {
        for message in [
            Message::text("grüße"),
            Message::binary(noise(300_000)),
            Message::text(""),
            Message::binary(noise(1)),
        ] {
            agent.send(message.clone()).await.unwrap();
            assert_eq!(agent.next().await.unwrap().unwrap(), message);
        }
        agent.send(Message::Ping(Bytes::from_static(b"hello"))).await.unwrap();
        assert_eq!(agent.next().await.unwrap().unwrap(), Message::Pong(Bytes::from_static(b"hello")));
        agent.close(None).await.unwrap();
        while agent.next().await.is_some() {}
        echo.await.unwrap();
    })
    .await;
    let report = soon(&mut rig.pump).await.unwrap();
    assert_eq!(report.end, End::Closed(Side::Agent));
    assert_eq!(report.from_agent.messages, 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_pipe_size_and_any_writes_give_the_same_bytes(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..20),
        capacity in 1_usize..400,
        pieces in prop::collection::vec(1_usize..200, 1..30),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let frames: Vec<Frame> = payloads.into_iter().map(|payload| Frame::new(BINARY, payload)).collect();
            let mut bytes: Vec<u8> = frames.iter().flat_map(Frame::masked).collect();
            bytes.extend(Frame::close(1000, "").masked());
            let mut rig = pipes(capacity, Limits::default());
            let sent = bytes.clone();
            let writer = tokio::spawn(async move {
                let mut rest = sent.as_slice();
                for size in pieces.into_iter().cycle() {
                    let (piece, later) = rest.split_at(size.min(rest.len()));
                    rig.agent.send(piece).await;
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    rest = later;
                    if rest.is_empty() {
                        return rig.agent;
                    }
                }
                unreachable!("pieces never end")
            });
            let got = rig.upstream.exactly(bytes.len()).await;
            assert_eq!(got, bytes);
            let close = Frame::close(1000, "").unmasked();
            let answer = async {
                let mut agent = writer.await.unwrap();
                agent.frame().await
            };
            let ((), answer) = tokio::join!(rig.upstream.send(&close), answer);
            assert_eq!(answer.unwrap().opcode, CLOSE);
            let report = rig.pump.await.unwrap();
            assert_eq!(report.end, End::Closed(Side::Agent));
            assert_eq!(report.from_agent.data_frames, wide(frames.len()));
            assert_eq!((report.from_agent.close_code, report.from_upstream.close_code), (Some(1000), Some(1000)));
        });
    }
}
