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
use tollwire_relay::asp::store::{NewMessage, Sessions as _, Stored};
use tollwire_relay::bridge::{Bus as _, News, NodeId, Tell};
use tollwire_relay_redis::{RedisBus, RedisSessions, RelayRedis, ServerConfig};
use tollwire_testkit::redis::RedisServer;

#[tokio::test(flavor = "multi_thread")]
async fn on_redis() {
    let server = RedisServer::start().await.unwrap();
    let redis = RelayRedis::connect(ServerConfig::new(server.url())).await.unwrap();
    asp_common::contract(&RedisSessions::new(redis)).await;
}

#[tokio::test]
async fn an_append_tells_and_is_found_again() {
    let server = RedisServer::start().await.unwrap();
    let redis = RelayRedis::connect(ServerConfig::new(server.url())).await.unwrap();
    let (store, bus) = (RedisSessions::new(redis.clone()), RedisBus::of_sessions(redis));
    let (told, mut heard) = mpsc::channel(100);
    let tell: Tell = Arc::new(move |news| drop(told.try_send(news)));
    let talking = async {
        assert_eq!(heard.recv().await, Some(News::Interrupted));
        let (session, now): (SessionId, _) = ("ase_a".parse().unwrap(), SystemClock.now());
        let until = now.after(Duration::from_secs(60));
        store.create(&session, Bytes::from_static(b"x"), until).await.unwrap();
        let new = |seq, after: String, hash: &str| NewMessage {
            after: (seq, after),
            hash: hash.into(),
            body: hash.to_owned().into(),
            content: Bytes::new(),
            keep: 10,
            until,
            once: None,
        };
        let first = new(0, Hash::GENESIS.to_string(), "h1");
        assert_eq!(store.append(&session, first.clone(), now).await.unwrap(), Stored::Done);
        assert_eq!(heard.recv().await, Some(News::Notice(Bytes::from_static(b"1 ase_a"))));
        assert_eq!(store.append(&session, new(1, "h1".into(), "h2"), now).await.unwrap(), Stored::Done);
        // The answer was lost, and the command is sent again.
        assert_eq!(store.append(&session, first, now).await.unwrap(), Stored::Done);
        assert_eq!(store.read(&session, 0, 1_000).await.unwrap().len(), 2);
    };
    tokio::select! {
        () = bus.listen(NodeId(7), tell) => {}
        done = tokio::time::timeout(Duration::from_secs(30), talking) => done.unwrap(),
    }
}
