//! Opens: how many, who waits for whom, what an exhausted agent is told.

use crate::agent::{closed, next, open, opened, refused};
use crate::node::{Node, config, route};
use futures_util::{SinkExt, future};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Error, Message};
use tollwire_proxy::WhenExhausted;
use tollwire_testkit::feed::{Mode, SampleFeed};

const EXHAUSTED: &str = "Session balance exhausted. Re-authorize via x402 to continue.";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_units_open_ten_of_forty_streams() {
    let feed = SampleFeed::start(Mode::Echo).await.unwrap();
    let node = Node::start(route(&feed.url("/stream"))).await;
    let session = node.fund(10).await;
    let opens = future::join_all((0..40).map(|_| open(&node, &session, ""))).await;
    let (won, lost): (Vec<_>, Vec<_>) = opens.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 10);
    for refusal in lost {
        let Err(Error::Http(response)) = refusal else { panic!("an HTTP answer, not {:?}", refusal.err()) };
        assert_eq!(response.status(), 403);
        assert_eq!(response.headers().get("retry-after"), None, "nothing comes back: all ten were captured");
    }
    assert_eq!(feed.counts().requests, 10);
    assert_eq!(node.session(&session).await.captured, 10);
    assert_eq!(node.proxy.live().total, 10);
    assert_eq!(node.proxy.live().by_feed[&"ticks".parse().unwrap()], 10);
    // Every one of them works.
    for (n, stream) in won.into_iter().enumerate() {
        let mut socket = stream.unwrap().0;
        socket.send(Message::text(n.to_string())).await.unwrap();
        assert_eq!(next(&mut socket).await, Message::text(n.to_string()));
        socket.close(None).await.unwrap();
    }
    node.settled(&session, 0, 10).await;
}

#[tokio::test]
async fn an_open_waits_for_units_that_come_back() {
    let feed = SampleFeed::start(Mode::NeverAnswer).await.unwrap();
    let mut config = config();
    config.upstream_dial = Duration::from_millis(500);
    let node = Node::on_new_ledger(route(&feed.url("/")), config).await;
    let session = node.fund(1).await;
    let first = open(&node, &session, "");
    let second = async {
        node.wait_for(&session, "the first holds the unit", |row| row.held() == 1).await;
        feed.set_mode(Mode::Echo);
        open(&node, &session, "").await
    };
    let (first, second) = future::join(first, second).await;
    assert!(matches!(first, Err(Error::Http(response)) if response.status() == 502));
    assert!(second.is_ok(), "the unit came back in time");
    assert_eq!(node.session(&session).await.captured, 1);
}

#[tokio::test]
async fn units_held_elsewhere_are_worth_a_retry() {
    let feed = SampleFeed::start(Mode::NeverAnswer).await.unwrap();
    let mut config = config();
    config.meter.held_wait = Duration::from_secs(1);
    let node = Node::on_new_ledger(route(&feed.url("/")), config).await;
    let session = node.fund(1).await;
    let first = open(&node, &session, "");
    let second = async {
        node.wait_for(&session, "the first holds the unit", |row| row.held() == 1).await;
        let asked = Instant::now();
        let refusal = refused(&node, &session, "").await;
        assert!(asked.elapsed() >= Duration::from_secs(1), "it waited for the unit");
        refusal
    };
    let (first, (status, kind, retry)) = future::join(first, second).await;
    assert_eq!((status, kind.as_str(), retry.as_deref()), (403, "held-elsewhere", Some("1")));
    assert!(first.is_err());
    node.settled(&session, 1, 0).await;
}

#[tokio::test]
async fn an_exhausted_open_is_refused_or_closed() {
    let feed = SampleFeed::start(Mode::Echo).await.unwrap();
    let node = Node::start(route(&feed.url("/"))).await;
    let session = node.fund(1).await;
    let _stream = opened(&node, &session, "").await;
    assert_eq!(refused(&node, &session, "").await, (403, "exhausted".into(), None));

    let mut asked_for = opened(&node, &session, "&control=v1").await;
    assert_eq!(closed(&mut asked_for).await, (4008, EXHAUSTED.into(), 0));

    node.route.lock().unwrap().exhausted = WhenExhausted::Close;
    let mut configured = opened(&node, &session, "").await;
    assert_eq!(closed(&mut configured).await, (4008, EXHAUSTED.into(), 0));
    assert_eq!(feed.counts().requests, 1, "no upstream is dialled for the exhausted");
}

#[tokio::test]
async fn a_gate_can_turn_an_agent_away_with_a_code() {
    let node = Node::start(route("ws://127.0.0.1:9/")).await;
    let session = node.fund(1).await;
    let (mut socket, _) = open(&node, &session, "&turn-away=4004").await.unwrap();
    assert_eq!(closed(&mut socket).await, (4004, "Session not found.".into(), 0));
    node.settled(&session, 1, 0).await;
}

#[tokio::test]
async fn sessions_that_are_not_to_be_served() {
    let feed = SampleFeed::start(Mode::Echo).await.unwrap();
    let node = Node::start(route(&feed.url("/"))).await;
    let stranger = "7d444840-9dc0-4acd-b245-ffffffffffff".parse().unwrap();
    assert_eq!(refused(&node, &stranger, "").await, (401, "unknown-session".into(), None));

    let revoked = node.fund(1).await;
    let revoke = tollwire_ledger::Command::Revoke { session: revoked.clone() };
    let _done = node.ledger.apply(revoke).await.unwrap();
    assert_eq!(refused(&node, &revoked, "").await, (401, "revoked".into(), None));

    let expired = node.fund(1).await;
    node.clock.advance(Duration::from_hours(25));
    assert_eq!(refused(&node, &expired, "").await, (403, "balance-expired".into(), None));
    assert_eq!(feed.counts().requests, 0);
}

#[tokio::test]
async fn no_more_streams_than_configured() {
    let feed = SampleFeed::start(Mode::Echo).await.unwrap();
    let mut config = config();
    config.streams_max = 1;
    let node = Node::on_new_ledger(route(&feed.url("/")), config).await;
    let session = node.fund(3).await;
    let mut first = opened(&node, &session, "").await;
    assert_eq!(refused(&node, &session, "").await, (503, "too-many-streams".into(), Some("5".into())));
    first.close(None).await.unwrap();
    closed_quietly(&mut first).await;
    node.settled(&session, 2, 1).await;
    let give_up = Instant::now() + Duration::from_secs(10);
    let again = loop {
        match open(&node, &session, "").await {
            Ok(stream) => break Some(stream),
            Err(_) if Instant::now() < give_up => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(_) => break None,
        }
    };
    assert!(again.is_some(), "the seat is free again");
}

async fn closed_quietly(socket: &mut crate::agent::Socket) {
    while let Some(Ok(_)) = futures_util::StreamExt::next(socket).await {}
}

#[tokio::test]
async fn many_nodes_share_one_balance() {
    let feed = SampleFeed::start(Mode::Echo).await.unwrap();
    let one = Node::start(route(&feed.url("/"))).await;
    let other =
        Node::on(Arc::clone(&one.ledger), Arc::clone(&one.clock), route(&feed.url("/")), config(), None)
            .await;
    let session = one.fund(5).await;
    let opens = (0..20).map(|n| open(if n % 2 == 0 { &one } else { &other }, &session, ""));
    let won = future::join_all(opens).await.into_iter().flatten().count();
    assert_eq!(won, 5);
    assert_eq!(one.session(&session).await.captured, 5);
}
