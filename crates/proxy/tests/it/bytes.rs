//! Bytes through the proxy: unchanged, both ways, from the first.

use crate::agent::{exchange, handshake, opened};
use crate::node::{Node, route};
use crate::upstream::RawUpstream;
use futures_util::{SinkExt, future};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tollwire_testkit::feed::{Mode, SampleFeed};

async fn read(tcp: &mut TcpStream, bytes: usize) -> Vec<u8> {
    let mut read = vec![0; bytes];
    tokio::time::timeout(crate::agent::WITHIN, tcp.read_exact(&mut read))
        .await
        .expect("bytes in time")
        .unwrap();
    read
}

/// A frame of a compressed message: RSV1 set, a payload that only its peers can read.
const COMPRESSED: &[u8] = b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00";
/// The same from a client: masked.
const COMPRESSED_MASKED: &[u8] = b"\xc1\x87\x01\x02\x03\x04\xf3\x4a\xce\xcd\xc8\x05\x03";

#[tokio::test]
async fn compressed_frames_pass_as_they_are() {
    let upstream = RawUpstream::start().await;
    let node = Node::start(route(&upstream.url("/"))).await;
    let session = node.fund(1).await;
    let request = handshake(&session, "", "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    let answer = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n";
    let ((mut agent, head), (mut far, _)) =
        future::join(exchange(&node, request.as_bytes()), upstream.upgrade(answer, b"")).await;
    assert!(
        head.contains("sec-websocket-extensions: permessage-deflate; server_no_context_takeover\r\n"),
        "{head}"
    );
    far.write_all(COMPRESSED).await.unwrap();
    assert_eq!(read(&mut agent, COMPRESSED.len()).await, COMPRESSED);
    agent.write_all(COMPRESSED_MASKED).await.unwrap();
    assert_eq!(read(&mut far, COMPRESSED_MASKED.len()).await, COMPRESSED_MASKED);
}

#[tokio::test]
async fn what_is_sent_right_behind_a_handshake_arrives() {
    let upstream = RawUpstream::start().await;
    let node = Node::start(route(&upstream.url("/"))).await;
    let session = node.fund(1).await;
    let mut request = handshake(&session, "", "").into_bytes();
    let early = b"\x81\x85\x00\x00\x00\x00early";
    request.extend_from_slice(early);
    let ((mut agent, _), (mut far, _)) =
        future::join(exchange(&node, &request), upstream.upgrade("", b"\x81\x05first\x82\x01")).await;
    assert_eq!(read(&mut far, early.len()).await, early);
    far.write_all(b"x").await.unwrap();
    assert_eq!(read(&mut agent, 10).await, b"\x81\x05first\x82\x01x");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_all_sizes_come_back_equal() {
    let feed = SampleFeed::start(Mode::Echo).await.unwrap();
    let node = Node::start(route(&feed.url("/"))).await;
    let session = node.fund(1).await;
    let mut socket = opened(&node, &session, "").await;
    for size in [0_usize, 1, 125, 126, 65_535, 65_536, 1 << 20, 16 << 20] {
        let payload: Vec<u8> = (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let sent = Message::binary(payload);
        let (sent_ok, got) = {
            let (mut sink, mut stream) = futures_util::StreamExt::split(&mut socket);
            let get = futures_util::StreamExt::next(&mut stream);
            future::join(sink.send(sent.clone()), tokio::time::timeout(crate::agent::WITHIN, get)).await
        };
        sent_ok.unwrap();
        assert!(got.unwrap().unwrap().unwrap() == sent, "{size} bytes");
    }
    socket.close(None).await.unwrap();
    node.settled(&session, 0, 1).await;
}
