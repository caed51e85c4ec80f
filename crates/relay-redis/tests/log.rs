//! The log and the notes that brokers share: the contracts of every log and every store of notes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

#[path = "../../relay/tests/log_common/mod.rs"]
mod log_common;

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tollwire_relay::bridge::{Bus as _, News, NodeId, Tell};
use tollwire_relay_redis::{RedisBus, RedisLog, RedisNotes, RelayRedis, ServerConfig};
use tollwire_testkit::redis::RedisServer;

async fn connect(server: &RedisServer) -> RelayRedis {
    RelayRedis::connect(ServerConfig::new(server.url())).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn on_redis() {
    let server = RedisServer::start().await.unwrap();
    let redis = connect(&server).await;
    log_common::log_contract(&RedisLog::new(redis.clone())).await;
    log_common::notes_contract(&RedisNotes::new(redis)).await;
}

#[tokio::test]
async fn word_between_nodes_comes_in_order_and_again_after_a_restart() {
    let mut server = RedisServer::start().await.unwrap();
    let (bus, redis) = (RedisBus::new(connect(&server).await), connect(&server).await);
    let (told, mut heard) = mpsc::channel(1_000);
    let tell: Tell = Arc::new(move |news| drop(told.try_send(news)));
    let listening = bus.listen(NodeId(7), tell);
    let talking = async {
        let other = RedisBus::new(redis);
        assert_eq!(heard.recv().await, Some(News::Interrupted));
        assert!(!other.send(Some(NodeId(8)), "x".into()).await.unwrap(), "nobody there");
        for number in 0..100_u8 {
            let to = (number % 2 == 0).then_some(NodeId(7));
            assert!(other.send(to, vec![number].into()).await.unwrap());
        }
        for number in 0..100_u8 {
            assert_eq!(heard.recv().await, Some(News::Notice(vec![number].into())));
        }
        server.restart().await.unwrap();
        assert_eq!(heard.recv().await, Some(News::Interrupted));
        assert!(other.send(None, "again".into()).await.unwrap());
        assert_eq!(heard.recv().await, Some(News::Notice("again".into())));
    };
    tokio::select! {
        () = listening => {}
        done = tokio::time::timeout(Duration::from_secs(30), talking) => done.unwrap(),
    }
}
