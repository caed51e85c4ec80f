//! Agent sessions that brokers share: the contract of every store of them, and word of what is new.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

#[path = "../../relay/tests/asp_common/mod.rs"]
mod asp_common;

use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tollwire_asp::{Hash, SessionId};
use tollwire_ledger::{Clock as _, SystemClock};
use tollwire_relay::asp::store::{Append, NewMessage, Once, Sessions as _, Stored};
use tollwire_relay::bridge::{Bus as _, News, NodeId, Tell};
use tollwire_relay::store::StoreError;
use tollwire_relay_redis::{RedisBus, RedisSessions, RelayRedis, ServerConfig};
use tollwire_testkit::redis::RedisServer;

#[tokio::test(flavor = "multi_thread")]
async fn on_redis() {
    let server = RedisServer::start().await.unwrap();
    let redis = RelayRedis::connect(ServerConfig::new(server.url())).await.unwrap();
    asp_common::contract(&RedisSessions::new(redis)).await;
}

const LATER: Duration = Duration::from_secs(60);

/// Messages of these texts behind a head; the last one's text is also its hash.
fn append(after: (u64, &str), texts: &[&'static str]) -> Append {
    Append {
        after: (after.0, after.1.into()),
        messages: texts.iter().map(|text| NewMessage { body: text.as_bytes().into(), once: None }).collect(),
        hash: (*texts.last().unwrap()).into(),
        content: Bytes::new(),
        keep: 10,
        until: SystemClock.now().after(LATER),
    }
}

/// A node: its store, and what it hears.
async fn node(server: &RedisServer, number: u64) -> (RedisSessions, mpsc::Receiver<News>) {
    let redis = RelayRedis::connect(ServerConfig::new(server.url())).await.unwrap();
    let (store, bus) = (RedisSessions::new(redis.clone()), RedisBus::of_sessions(redis));
    let (told, mut heard) = mpsc::channel(100);
    tokio::spawn(async move {
        let tell: Tell = Arc::new(move |news| drop(told.try_send(news)));
        bus.listen(NodeId(number), tell).await;
    });
    assert_eq!(within(heard.recv()).await, Some(News::Interrupted));
    (store, heard)
}

async fn within<T>(done: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), done).await.unwrap()
}

fn notice(text: &'static str) -> News {
    News::Notice(Bytes::from_static(text.as_bytes()))
}

#[tokio::test]
async fn an_append_tells_the_other_nodes_once_and_is_found_again() {
    let server = RedisServer::start().await.unwrap();
    let (one, _ours) = node(&server, 1).await;
    let (_other, mut theirs) = node(&server, 2).await;
    let (session, now): (SessionId, _) = ("ase_a".parse().unwrap(), SystemClock.now());
    one.create(&session, Bytes::from_static(b"x"), now.after(LATER)).await.unwrap();
    let genesis = Hash::GENESIS.to_string();
    let first = append((0, &genesis), &["a", "b"]);
    assert_eq!(one.append(&session, first.clone(), now).await.unwrap(), Stored::Done);
    assert_eq!(within(theirs.recv()).await, Some(notice("2 ase_a")));
    assert_eq!(one.append(&session, append((2, "b"), &["c"]), now).await.unwrap(), Stored::Done);
    assert_eq!(within(theirs.recv()).await, Some(notice("3 ase_a")));
    // The answer was lost, and the command is sent again.
    assert_eq!(one.append(&session, first, now).await.unwrap(), Stored::Done);
    assert_eq!(one.read(&session, 0, 1_000).await.unwrap().len(), 3);
    let half = append((1, "a"), &["b", "x"]);
    assert!(matches!(one.append(&session, half, now).await.unwrap(), Stored::Moved(_)));
}

#[tokio::test]
async fn a_keyed_append_that_is_sent_again_was_stored_and_is_no_duplicate() {
    let server = RedisServer::start().await.unwrap();
    let redis = RelayRedis::connect(ServerConfig::new(server.url())).await.unwrap();
    let (store, now) = (RedisSessions::new(redis), SystemClock.now());
    let session: SessionId = "ase_a".parse().unwrap();
    store.create(&session, Bytes::from_static(b"x"), now.after(LATER)).await.unwrap();
    let mut first = append((0, &Hash::GENESIS.to_string()), &["a", "b"]);
    first.messages[0].once = Some(Once { key: "k".into(), until: now.after(LATER), memo: "m".into() });
    for _ in 0..2 {
        assert_eq!(store.append(&session, first.clone(), now).await.unwrap(), Stored::Done);
    }
    assert_eq!(store.read(&session, 0, 1_000).await.unwrap().len(), 2);
    first.messages[1].body = Bytes::from_static(b"another");
    let used = Stored::Duplicates(vec![(0, "m".into())]);
    assert_eq!(store.append(&session, first, now).await.unwrap(), used);
}

#[tokio::test]
async fn a_node_that_is_alone_is_told_nothing_that_it_said_until_another_listens() {
    let server = RedisServer::start().await.unwrap();
    let (one, mut ours) = node(&server, 1).await;
    let (session, now): (SessionId, _) = ("ase_a".parse().unwrap(), SystemClock.now());
    one.create(&session, Bytes::from_static(b"x"), now.after(LATER)).await.unwrap();
    assert_eq!(
        one.append(&session, append((0, &Hash::GENESIS.to_string()), &["a"]), now).await.unwrap(),
        Stored::Done
    );
    let (other, mut theirs) = node(&server, 2).await;
    assert_eq!(other.append(&session, append((1, "a"), &["b"]), now).await.unwrap(), Stored::Done);
    assert_eq!(within(ours.recv()).await, Some(notice("2 ase_a")), "the first word, not its own of before");
    assert_eq!(one.append(&session, append((2, "b"), &["c"]), now).await.unwrap(), Stored::Done);
    assert_eq!(within(theirs.recv()).await, Some(notice("2 ase_a")));
    assert_eq!(within(theirs.recv()).await, Some(notice("3 ase_a")));
}

#[tokio::test]
async fn an_emptied_store_is_lost_and_knows_no_session_less() {
    let server = RedisServer::start().await.unwrap();
    let (one, _ours) = node(&server, 1).await;
    let (session, now): (SessionId, _) = ("ase_a".parse().unwrap(), SystemClock.now());
    one.create(&session, Bytes::from_static(b"x"), now.after(LATER)).await.unwrap();
    server.command(&["FLUSHALL"]).await.unwrap();
    let lost = one.append(&session, append((0, &Hash::GENESIS.to_string()), &["a"]), now).await;
    assert_eq!(lost, Err(StoreError::Lost));
}
