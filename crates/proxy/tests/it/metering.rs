//! Streams sold by the message, the KiB and the second: they end at the right moment, and the books are exact.

use crate::agent::{Socket, closed, open, opened, refused};
use crate::node::{Node, TestClock, config, fund_by, route};
use futures_util::{SinkExt, StreamExt, future};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tollwire_ledger::memory::MemoryLedger;
use tollwire_proxy::{Counted, FeedRoute};
use tollwire_testkit::feed::{Mode, SampleFeed};
use tollwire_x402::Unit;

const REASON: &str = "Session balance exhausted. Re-authorize via x402 to continue.";

fn sold_by(unit: Unit, feed: &SampleFeed) -> FeedRoute {
    let mut route = route(&feed.url("/"));
    route.unit = unit;
    route
}

async fn ticks(every: u64) -> SampleFeed {
    SampleFeed::start(Mode::Ticks(Duration::from_millis(every))).await.unwrap()
}

#[tokio::test]
async fn twenty_five_messages_are_twenty_five() {
    let feed = ticks(2).await;
    let node = Node::start(sold_by(Unit::Message, &feed)).await;
    let session = fund_by(&*node.ledger, Unit::Message, 25).await;
    let mut socket = opened(&node, &session, "").await;
    assert_eq!(closed(&mut socket).await, (4008, REASON.to_owned(), 25));
    node.settled(&session, 0, 25).await;
    let (status, kind, _) = refused(&node, &session, "").await;
    assert_eq!((status, kind.as_str()), (403, "exhausted"));
}

#[tokio::test]
async fn the_close_comes_with_the_last_unit_and_not_with_the_next_frame() {
    // The second tick would come a minute later.
    let feed = ticks(60_000).await;
    let node = Node::start(sold_by(Unit::Message, &feed)).await;
    let session = fund_by(&*node.ledger, Unit::Message, 1).await;
    let begun = Instant::now();
    let mut socket = opened(&node, &session, "").await;
    assert_eq!(closed(&mut socket).await, (4008, REASON.to_owned(), 1));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn kibs_are_wire_bytes_rounded_up_once() {
    // Frames of 2 + 100 bytes.
    let message = Message::binary(vec![7; 100]);
    let script = Mode::Script(vec![message; 200], None);
    let feed = SampleFeed::start(script).await.unwrap();
    let node = Node::start(sold_by(Unit::Kib, &feed)).await;
    let session = fund_by(&*node.ledger, Unit::Kib, 10).await;
    let mut socket = opened(&node, &session, "").await;
    // 10,240 bytes hold 100 whole frames of 102 bytes.
    assert_eq!(closed(&mut socket).await, (4008, REASON.to_owned(), 100));
    node.settled(&session, 0, 10).await;
}

#[tokio::test]
async fn three_seconds_last_three_seconds() {
    let feed = ticks(20).await;
    let node = Node::start(sold_by(Unit::Second, &feed)).await;
    let session = fund_by(&*node.ledger, Unit::Second, 3).await;
    let begun = Instant::now();
    let mut socket = opened(&node, &session, "").await;
    let (code, reason, data) = closed(&mut socket).await;
    let lasted = begun.elapsed();
    assert_eq!((code, reason.as_str()), (4008, REASON));
    assert!((Duration::from_millis(2_900)..Duration::from_secs(4)).contains(&lasted), "{lasted:?}");
    assert!(data > 60, "it ticked all the while: {data}");
    node.settled(&session, 0, 3).await;
}

#[tokio::test]
async fn seconds_are_paid_by_an_agent_that_leaves_between_two_renewals() {
    let feed = ticks(20).await;
    let node = Node::start(sold_by(Unit::Second, &feed)).await;
    let session = fund_by(&*node.ledger, Unit::Second, 1_000).await;
    let mut socket = opened(&node, &session, "").await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(2_300) {
        socket.next().await.unwrap().unwrap();
    }
    drop(socket);
    let over = |row: &tollwire_ledger::model::Session| row.holds.is_empty() && row.live.is_empty();
    let row = node.wait_for(&session, "the end", over).await;
    assert!(
        (3..=4).contains(&row.captured),
        "two whole seconds and the third, which had begun: {}",
        row.captured
    );
}

#[tokio::test]
async fn what_the_agent_sends_counts_where_the_feed_says_so() {
    let feed = SampleFeed::start(Mode::Echo).await.unwrap();
    let mut route = sold_by(Unit::Message, &feed);
    route.counted = Counted::Both;
    let node = Node::start(route).await;
    let session = fund_by(&*node.ledger, Unit::Message, 9).await;
    let mut socket = opened(&node, &session, "").await;
    let mut echoes = 0;
    for n in 0..20 {
        if socket.send(Message::text(format!("{n}"))).await.is_err() {
            break;
        }
        match socket.next().await {
            Some(Ok(Message::Text(_))) => echoes += 1,
            _ => break,
        }
    }
    assert_eq!(echoes, 4, "four there and back; the ninth has no way back");
    node.settled(&session, 0, 9).await;
}

#[tokio::test]
async fn what_was_not_used_comes_back() {
    let feed = SampleFeed::start(Mode::Script(vec![Message::text("x"); 7], None)).await.unwrap();
    let node = Node::start(sold_by(Unit::Message, &feed)).await;
    let session = fund_by(&*node.ledger, Unit::Message, 1_000).await;
    let mut socket = opened(&node, &session, "").await;
    for _ in 0..7 {
        socket.next().await.unwrap().unwrap();
    }
    socket.close(None).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
    node.settled(&session, 993, 7).await;
}

async fn drained(mut socket: Socket) -> usize {
    let (code, _, data) = closed(&mut socket).await;
    assert_eq!(code, 4008);
    data
}

/// Two nodes, one ledger, many streams of one session: they use it up to the last unit, and not one more.
#[tokio::test]
async fn streams_on_two_nodes_share_a_balance_to_the_last_unit() {
    let feed = ticks(10).await;
    let clock = Arc::new(TestClock::default());
    let ledger = Arc::new(MemoryLedger::new(clock.clone()));
    let route = sold_by(Unit::Message, &feed);
    let here = Node::on(ledger.clone(), clock.clone(), route.clone(), config(), None).await;
    let there = Node::on(ledger, clock, route, config(), None).await;
    let session = fund_by(&*here.ledger, Unit::Message, 3_000).await;
    let mut streams = Vec::new();
    for n in 0..16 {
        streams.push(opened(if n % 2 == 0 { &here } else { &there }, &session, "").await);
    }
    let delivered: usize = future::join_all(streams.into_iter().map(drained)).await.into_iter().sum();
    assert_eq!(delivered, 3_000);
    here.settled(&session, 0, 3_000).await;
}

#[tokio::test]
async fn a_session_has_so_many_streams_and_no_more() {
    let feed = SampleFeed::start(Mode::Silent).await.unwrap();
    let mut route = sold_by(Unit::Message, &feed);
    route.streams_max = 2;
    let node = Node::start(route).await;
    let session = fund_by(&*node.ledger, Unit::Message, 10).await;
    let first = opened(&node, &session, "").await;
    let _second = opened(&node, &session, "").await;
    let (status, kind, retry) = refused(&node, &session, "").await;
    assert_eq!((status, kind.as_str(), retry.as_deref()), (429, "too-many-streams-of-session", Some("5")));
    drop(first);
    node.wait_for(&session, "one has gone", |row| row.live.len() == 1).await;
    assert!(open(&node, &session, "").await.is_ok());
}
