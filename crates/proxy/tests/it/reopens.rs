//! The same stream id again: free for 30 seconds, and only one connection at a time.

use crate::agent::{closed, handshake, next, open, opened, refused};
use crate::node::{Node, config, route};
use crate::upstream::{RawUpstream, agree};
use futures_util::SinkExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tollwire_testkit::feed::{Mode, SampleFeed};

const ID: &str = "&stream=my-stream-0123456789";

#[tokio::test]
async fn the_same_id_is_free_for_thirty_seconds_and_replaces_the_older() {
    let feed = SampleFeed::start(Mode::Echo).await.unwrap();
    let node = Node::start(route(&feed.url("/"))).await;
    let session = node.fund(2).await;
    let (mut first, answer) = open(&node, &session, ID).await.unwrap();
    assert_eq!(answer.headers()["tollwire-stream"], "my-stream-0123456789");

    let asked = Instant::now();
    let mut second = opened(&node, &session, ID).await;
    let (code, reason, _) = closed(&mut first).await;
    assert_eq!((code, reason.as_str()), (4009, "Replaced by a newer connection."));
    assert!(asked.elapsed() < Duration::from_millis(900), "on one node at once, not at the next watch");
    second.send(Message::text("still here")).await.unwrap();
    assert_eq!(next(&mut second).await, Message::text("still here"));
    assert_eq!(node.session(&session).await.captured, 1);

    node.clock.advance(Duration::from_secs(31));
    assert_eq!(refused(&node, &session, ID).await, (409, "stream-conflict".into(), None));
    second.send(Message::text("and still")).await.unwrap();
    assert_eq!(next(&mut second).await, Message::text("and still"), "a refused open replaces nobody");
    second.close(None).await.unwrap();
    node.settled(&session, 1, 1).await;
}

#[tokio::test]
async fn another_node_replaces_within_a_watch() {
    let feed = SampleFeed::start(Mode::Echo).await.unwrap();
    let one = Node::start(route(&feed.url("/"))).await;
    let (ledger, clock) = (Arc::clone(&one.ledger), Arc::clone(&one.clock));
    let other = Node::on(ledger, clock, route(&feed.url("/")), config(), None).await;
    let session = one.fund(2).await;
    let mut first = opened(&one, &session, ID).await;
    let mut bystander = opened(&one, &session, "").await;

    let asked = Instant::now();
    let mut second = opened(&other, &session, ID).await;
    assert_eq!(closed(&mut first).await.0, 4009);
    assert!(asked.elapsed() < Duration::from_millis(2500), "{:?}", asked.elapsed());
    for socket in [&mut second, &mut bystander] {
        socket.send(Message::text("here")).await.unwrap();
        assert_eq!(next(socket).await, Message::text("here"));
    }
    assert_eq!(one.session(&session).await.captured, 2);
}

/// Whoever opens the same stream again and again gets what its unit pays for once, not once each.
#[tokio::test]
async fn opening_again_does_not_restart_the_units_clock() {
    let feed = SampleFeed::start(Mode::Echo).await.unwrap();
    let mut route = route(&feed.url("/"));
    route.max_stream = Duration::from_secs(10);
    let node = Node::start(route).await;
    let session = node.fund(2).await;
    let begun = Instant::now();
    let first = opened(&node, &session, ID).await;
    node.clock.advance(Duration::from_secs(9));
    let mut second = opened(&node, &session, ID).await;
    drop(first);
    assert_eq!(node.session(&session).await.captured, 1, "the rest of the unit is its own");
    node.wait_for(&session, "the second unit, when the first has run for ten seconds", |row| {
        row.captured == 2
    })
    .await;
    let real = begun.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_secs(4)).contains(&real), "{real:?}");

    // Both units have run out by the ledger's clock, and there is no third.
    node.clock.advance(Duration::from_secs(15));
    second.close(None).await.unwrap();
    let again = Instant::now();
    let mut third = opened(&node, &session, ID).await;
    assert_eq!(closed(&mut third).await.0, 4008);
    assert!(again.elapsed() < Duration::from_secs(3), "{:?}", again.elapsed());
    node.settled(&session, 0, 2).await;
}

/// The agent is gone before its 101 is made. Whether or not the server notices, the unit is not lost: the same id
/// opens again, and one unit pays for both.
#[tokio::test]
async fn a_lost_answer_costs_nothing_more() {
    let upstream = RawUpstream::start().await;
    let node = Node::start(route(&upstream.url("/"))).await;
    for reset in [false, true] {
        let session = node.fund(1).await;
        let mut agent = TcpStream::connect(node.address).await.unwrap();
        agent.write_all(handshake(&session, ID, "").as_bytes()).await.unwrap();
        let (mut dialled, head) = upstream.accept().await;
        assert_eq!(node.session(&session).await.held(), 1, "held while the upstream is dialled");
        if reset {
            agent.set_zero_linger().unwrap();
        }
        drop(agent);
        dialled.write_all(agree(&head, "").as_bytes()).await.unwrap();
        drop(dialled);
        let ended = |row: &tollwire_ledger::model::Session| row.holds.is_empty() && row.live.is_empty();
        node.wait_for(&session, "the lost stream to end", ended).await;

        let again = open(&node, &session, ID);
        let ((mut socket, _), (_upstream, _)) =
            futures_util::future::join(async { again.await.unwrap() }, upstream.upgrade("", b"\x81\x02hi"))
                .await;
        assert_eq!(next(&mut socket).await, Message::text("hi"));
        let row = node.session(&session).await;
        assert_eq!((row.captured, row.remaining()), (1, 0), "one unit for one stream");
    }
}
