//! Live streams: how long a unit lasts, and what ends a stream from outside.

use crate::agent::{closed, next, open, opened, refused};
use crate::faults::{Fault, FaultyLedger};
use crate::node::{Node, TestClock, config, fund, route};
use futures_util::{SinkExt, future};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tollwire_ledger::memory::MemoryLedger;
use tollwire_ledger::model::Fate;
use tollwire_ledger::{Command, Ledger};
use tollwire_proxy::FeedRoute;
use tollwire_testkit::feed::{Mode, SampleFeed};

fn short(feed: &SampleFeed, max_stream: Duration) -> FeedRoute {
    let mut route = route(&feed.url("/"));
    route.max_stream = max_stream;
    route
}

#[tokio::test]
async fn two_units_of_two_seconds_last_four_and_end_with_4008() {
    let feed = SampleFeed::start(Mode::Ticks(Duration::from_millis(50))).await.unwrap();
    let node = Node::start(short(&feed, Duration::from_secs(2))).await;
    let session = node.fund(2).await;
    let begun = Instant::now();
    let mut socket = opened(&node, &session, "").await;
    let (code, reason, ticks) = closed(&mut socket).await;
    let lasted = begun.elapsed();
    assert_eq!(code, 4008);
    assert_eq!(reason, "Session balance exhausted. Re-authorize via x402 to continue.");
    assert!((Duration::from_millis(3900)..Duration::from_secs(5)).contains(&lasted), "{lasted:?}");
    assert!(ticks > 40, "it ticked through the renewal: {ticks}");
    node.settled(&session, 0, 2).await;
}

#[tokio::test]
async fn a_stream_takes_a_unit_per_period_and_no_more() {
    let feed = SampleFeed::start(Mode::Echo).await.unwrap();
    let node = Node::start(short(&feed, Duration::from_millis(300))).await;
    let session = node.fund(100).await;
    let mut socket = opened(&node, &session, "").await;
    let row = node.wait_for(&session, "the third unit", |row| row.captured == 3).await;
    assert_eq!(row.live.len(), 1);
    socket.close(None).await.unwrap();
    closed_by_us(&mut socket).await;
    node.settled(&session, 97, 3).await;
}

async fn closed_by_us(socket: &mut crate::agent::Socket) {
    while let Some(Ok(_)) = futures_util::StreamExt::next(socket).await {}
}

#[tokio::test]
async fn revocation_closes_within_a_watch() {
    let feed = SampleFeed::start(Mode::Ticks(Duration::from_millis(20))).await.unwrap();
    let node = Node::start(route(&feed.url("/"))).await;
    let (session, other) = (node.fund(2).await, node.fund(1).await);
    let mut streams = [opened(&node, &session, "").await, opened(&node, &session, "").await];
    let mut bystander = opened(&node, &other, "").await;
    let _done = node.ledger.apply(Command::Revoke { session: session.clone() }).await.unwrap();
    let revoked = Instant::now();
    for socket in &mut streams {
        let (code, reason, _) = closed(socket).await;
        assert_eq!((code, reason.as_str()), (4001, "Session revoked or expired."));
    }
    assert!(revoked.elapsed() < Duration::from_millis(2500), "{:?}", revoked.elapsed());
    next(&mut bystander).await;
    node.settled(&session, 0, 2).await;
}

/// A reorganisation took a deposit away, and the chain has it again.
#[tokio::test]
async fn a_frozen_session_ends_its_streams_and_serves_again_once_thawed() {
    let feed = SampleFeed::start(Mode::Ticks(Duration::from_millis(20))).await.unwrap();
    let node = Node::start(route(&feed.url("/"))).await;
    let session = node.fund(3).await;
    let mut socket = opened(&node, &session, "").await;
    let journal = node.ledger.journal(&session).await.unwrap();
    let payment = journal[0].payment.clone().unwrap();
    let freeze = Command::Freeze { payment: payment.clone(), session: session.clone() };
    let _done = node.ledger.apply(freeze).await.unwrap();
    let frozen = Instant::now();
    let (code, reason, _) = closed(&mut socket).await;
    assert_eq!((code, reason.as_str()), (4001, "Session revoked or expired."));
    assert!(frozen.elapsed() < Duration::from_millis(2500), "{:?}", frozen.elapsed());
    assert_eq!(refused(&node, &session, "").await, (401, "revoked".into(), None));
    let row = node.ledger.payment(&payment).await.unwrap().unwrap();
    let Fate::Credited(landing) = row.fate else { panic!("not credited") };
    let _done =
        node.ledger.apply(Command::Thaw { payment, session: session.clone(), landing }).await.unwrap();
    let mut socket = opened(&node, &session, "").await;
    next(&mut socket).await;
    socket.close(None).await.unwrap();
    closed_by_us(&mut socket).await;
    node.settled(&session, 1, 2).await;
}

#[tokio::test]
async fn draining_lets_streams_go_on_and_then_tells_them() {
    let feed = SampleFeed::start(Mode::Ticks(Duration::from_millis(20))).await.unwrap();
    let node = Node::start(route(&feed.url("/"))).await;
    let session = node.fund(3).await;
    let mut socket = opened(&node, &session, "").await;
    let begun = Instant::now();
    let agent = async {
        while node.proxy.live().total > 0 && begun.elapsed() < Duration::from_millis(100) {
            next(&mut socket).await;
        }
        let (status, kind, retry) = refused(&node, &session, "").await;
        assert_eq!((status, kind.as_str(), retry.as_deref()), (503, "draining", Some("1")));
        closed(&mut socket).await
    };
    let ((code, reason, _), ()) = future::join(agent, node.proxy.drain(Duration::from_millis(500))).await;
    assert_eq!((code, reason.as_str()), (1001, "Server is draining. Connect again."));
    assert!(begun.elapsed() >= Duration::from_millis(500));
    assert_eq!(node.proxy.live().total, 0);
    let row = node.session(&session).await;
    assert!(row.live.is_empty() && row.holds.is_empty(), "the ledger knows before drain returns: {row:?}");
    node.settled(&session, 2, 1).await;
}

#[tokio::test]
async fn draining_without_streams_is_over_at_once() {
    let node = Node::start(route("ws://127.0.0.1:9/")).await;
    let begun = Instant::now();
    node.proxy.drain(Duration::from_secs(30)).await;
    assert!(begun.elapsed() < Duration::from_secs(1));
}

struct Flaky {
    node: Node,
    ledger: Arc<FaultyLedger>,
}

async fn flaky(feed: &SampleFeed, grace: Duration) -> Flaky {
    let clock = Arc::new(TestClock::default());
    let inner: Arc<dyn Ledger> = Arc::new(MemoryLedger::new(clock.clone()));
    let ledger = Arc::new(FaultyLedger::new(inner));
    let mut config = config();
    config.renewal_grace = grace;
    let route = short(feed, Duration::from_millis(500));
    let node = Node::on(ledger.clone(), clock, route, config, None).await;
    Flaky { node, ledger }
}

#[tokio::test]
async fn a_store_outage_is_survived_within_its_grace() {
    let feed = SampleFeed::start(Mode::Echo).await.unwrap();
    let Flaky { node, ledger } = flaky(&feed, Duration::from_secs(30)).await;
    let session = fund(&*ledger, 100).await;
    let mut socket = opened(&node, &session, "").await;
    ledger.set(Fault::Down);
    let out = Instant::now();
    while out.elapsed() < Duration::from_millis(1500) {
        socket.send(Message::text("on")).await.unwrap();
        assert_eq!(next(&mut socket).await, Message::text("on"));
    }
    assert_eq!(node.session(&session).await.captured, 1);
    ledger.set(Fault::None);
    // What was served in the meantime is taken now.
    node.wait_for(&session, "the units of the outage", |row| row.captured >= 3).await;
    socket.send(Message::text("on")).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::text("on"));
}

#[tokio::test]
async fn a_lost_answer_to_a_renewal_takes_one_unit() {
    let feed = SampleFeed::start(Mode::Echo).await.unwrap();
    let Flaky { node, ledger } = flaky(&feed, Duration::from_secs(30)).await;
    let session = fund(&*ledger, 2).await;
    let mut socket = opened(&node, &session, "").await;
    ledger.set(Fault::PostAnswersLost);
    node.wait_for(&session, "the second unit", |row| row.captured == 2).await;
    ledger.set(Fault::None);
    assert_eq!(closed(&mut socket).await.0, 4008);
    node.settled(&session, 0, 2).await;
}

#[tokio::test]
async fn a_store_outage_beyond_its_grace_ends_streams() {
    let feed = SampleFeed::start(Mode::Echo).await.unwrap();
    let Flaky { node, ledger } = flaky(&feed, Duration::from_millis(500)).await;
    let session = fund(&*ledger, 100).await;
    let mut socket = opened(&node, &session, "").await;
    ledger.set(Fault::Down);
    let (code, reason, _) = closed(&mut socket).await;
    assert_eq!((code, reason.as_str()), (1013, "Overloaded. Try again later."));
    ledger.set(Fault::None);
    node.settled(&session, 99, 1).await;

    let mut socket = opened(&node, &session, "").await;
    ledger.set(Fault::Lost);
    assert_eq!(closed(&mut socket).await.0, 1011, "another store is not waited for");
    ledger.set(Fault::None);
    node.settled(&session, 98, 2).await;
}

#[tokio::test]
async fn an_agent_that_goes_away_ends_its_stream() {
    let feed = SampleFeed::start(Mode::Ticks(Duration::from_millis(10))).await.unwrap();
    let node = Node::start(route(&feed.url("/"))).await;
    let session = node.fund(1).await;
    let (mut socket, _) = open(&node, &session, "").await.unwrap();
    next(&mut socket).await;
    assert_eq!(node.proxy.live().total, 1);
    drop(socket);
    node.settled(&session, 0, 1).await;
    feed.wait_for(|counts| counts.open == 0 && counts.ended == 1, Duration::from_secs(10)).await.unwrap();
    assert_eq!(node.proxy.live(), tollwire_proxy::LiveStreams::default());
}
