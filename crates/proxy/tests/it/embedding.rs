//! Other hosts than our own listener: what they must hand to hyper.

use crate::agent::{closed, next, opened};
use crate::node::{Node, route};
use futures_util::{SinkExt, StreamExt};
use std::time::Duration;
use tokio::io::BufStream;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tollwire_testkit::feed::{Mode, SampleFeed};

#[tokio::test]
async fn plain_hyper_over_tcp_will_do() {
    let feed = SampleFeed::start(Mode::Echo).await.unwrap();
    let node = Node::start(route(&feed.url("/"))).await;
    let server = node.serve_with(|tcp| tcp).await;
    let session = node.fund(1).await;
    let mut socket = opened(&server, &session, "").await;
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::text("hello"));
    let mut refused = opened(&server, &session, "&control=v1").await;
    assert_eq!(closed(&mut refused).await.0, 4008);
}

/// hyper reads through something that cannot be taken apart: there is no way to give the agent what it pays for.
#[tokio::test]
async fn an_unknown_io_costs_the_agent_nothing() {
    let feed = SampleFeed::start(Mode::Ticks(Duration::from_millis(10))).await.unwrap();
    let node = Node::start(route(&feed.url("/"))).await;
    let server = node.serve_with(BufStream::<TcpStream>::new).await;
    let session = node.fund(1).await;
    let mut socket = opened(&server, &session, "").await;
    assert!(!matches!(socket.next().await, Some(Ok(_))), "not a single frame");
    node.settled(&session, 1, 0).await;
    feed.wait_for(|counts| counts.ended == 1, Duration::from_secs(10)).await.unwrap();
}
