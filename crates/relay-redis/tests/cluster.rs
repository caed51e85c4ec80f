//! A broker's store on a Redis Cluster: every contract, word between nodes, and what happens when its slot moves or its
//! primary dies or forgets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

#[path = "../../relay/tests/asp_common/mod.rs"]
mod asp_common;
#[path = "../../relay/tests/common/mod.rs"]
mod common;
#[path = "../../relay/tests/log_common/mod.rs"]
mod log_common;
#[path = "../../relay/tests/purse_common/mod.rs"]
mod purse_common;

use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tollwire_relay::bridge::{Bus as _, News, NodeId, Tell};
use tollwire_relay::store::{Change, Changed, Row, Rows as _, StoreError};
use tollwire_relay_redis::{
    RedisBus, RedisLog, RedisNotes, RedisRows, RedisSessions, RelayRedis, ServerConfig,
};
use tollwire_testkit::redis::RedisCluster;

async fn connect(cluster: &RedisCluster) -> RelayRedis {
    RelayRedis::connect(ServerConfig::new(cluster.url())).await.unwrap()
}

/// A key of the broker's; all others are where it is.
const EPOCH: &str = "{tollwire:relay:}epoch";

fn change(key: &str, from: Option<u64>) -> Change {
    let now = tollwire_ledger::Timestamp::from_millis(u64::MAX >> 20);
    Change {
        key: key.into(),
        from,
        to: Some(Row { version: from.map_or(1, |from| from + 1), content: b"content".to_vec() }),
        alias: None,
        keep_until: now,
        due: Some(now),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_cluster() {
    let cluster = RedisCluster::start().await.unwrap();
    let redis = connect(&cluster).await;
    common::contract(&RedisRows::new(redis.clone())).await;
    log_common::log_contract(&RedisLog::new(redis.clone())).await;
    log_common::notes_contract(&RedisNotes::new(redis.clone())).await;
    asp_common::contract(&RedisSessions::new(redis)).await;
    let mut other = ServerConfig::new(cluster.url());
    other.prefix = "other:".into();
    let other = RelayRedis::connect(other).await.unwrap();
    purse_common::contract(Arc::new(RedisRows::new(other))).await;
    // Every key of a broker's is in its one slot, or says so of a primary.
    let home = cluster.home(EPOCH).await.unwrap().1;
    for primary in 0..3 {
        let keys = cluster.command(primary, &["KEYS", "*"]).await.unwrap();
        let broker = keys.lines().filter(|key| key.starts_with("{tollwire:relay:}")).count();
        assert_eq!(broker > 0, primary == home, "{keys}");
        assert!(keys.lines().all(|key| key.is_empty() || key.starts_with('{')), "{keys}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn word_between_nodes_comes_and_again_after_the_slot_moved_and_after_a_failover() {
    let mut cluster = RedisCluster::start().await.unwrap();
    let (bus, other) = (RedisBus::new(connect(&cluster).await), RedisBus::new(connect(&cluster).await));
    let (told, mut heard) = mpsc::channel(1_000);
    let tell: Tell = Arc::new(move |news| drop(told.try_send(news)));
    let talking = async {
        assert_eq!(heard.recv().await, Some(News::Interrupted));
        assert!(!other.send(Some(NodeId(8)), "x".into()).await.unwrap(), "nobody there");
        for number in 0..100_u8 {
            let to = (number % 2 == 0).then_some(NodeId(7));
            assert!(other.send(to, vec![number].into()).await.unwrap(), "somebody there");
        }
        for number in 0..100_u8 {
            assert_eq!(heard.recv().await, Some(News::Notice(vec![number].into())));
        }

        let (slot, from) = cluster.home(EPOCH).await.unwrap();
        let to = (from + 1) % 3;
        cluster.begin_move(slot, from, to).await.unwrap();
        while cluster.move_keys(slot, from, to, 100).await.unwrap() {}
        cluster.finish_move(slot, to).await.unwrap();
        assert_eq!(heard.recv().await, Some(News::Interrupted), "it listens elsewhere now");
        assert!(other.send(Some(NodeId(7)), "moved".into()).await.unwrap());
        assert_eq!(heard.recv().await, Some(News::Notice("moved".into())));

        cluster.server(to).unwrap().kill9().await.unwrap();
        assert_eq!(heard.recv().await, Some(News::Interrupted), "it listens to the heir");
        let begun = Instant::now();
        while !other.send(None, "again".into()).await.unwrap_or_default() {
            assert!(begun.elapsed() < Duration::from_secs(20));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // Servers that learn of the heir one after the other may make it listen anew more than once.
        let heard = loop {
            match heard.recv().await {
                Some(News::Interrupted) => {}
                other => break other,
            }
        };
        assert_eq!(heard, Some(News::Notice("again".into())));
    };
    tokio::select! {
        () = bus.listen(NodeId(7), tell) => {}
        done = tokio::time::timeout(Duration::from_secs(60), talking) => done.unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_move_with_their_slot_and_a_primary_that_forgot_is_noticed() {
    let cluster = RedisCluster::start().await.unwrap();
    let rows = RedisRows::new(connect(&cluster).await);
    for n in 0..50 {
        assert_eq!(rows.change(change(&format!("row-{n}"), None)).await, Ok(Changed::Done));
    }
    let (slot, from) = cluster.home(EPOCH).await.unwrap();
    let to = (from + 1) % 3;
    cluster.begin_move(slot, from, to).await.unwrap();
    // What needs no other key is answered wherever it is.
    let mut more = true;
    while more {
        more = cluster.move_keys(slot, from, to, 5).await.unwrap();
        for n in (0..50).step_by(7) {
            assert_eq!(rows.row(&format!("row-{n}")).await.unwrap().unwrap().version, 1);
        }
    }
    cluster.finish_move(slot, to).await.unwrap();
    for n in 0..50 {
        assert_eq!(rows.change(change(&format!("row-{n}"), Some(1))).await, Ok(Changed::Done));
    }
    cluster.command(from, &["FLUSHALL"]).await.unwrap();
    assert_eq!(rows.row("row-1").await.unwrap().unwrap().version, 2, "it is not there any more");
    cluster.command(to, &["FLUSHALL"]).await.unwrap();
    assert_eq!(rows.row("row-1").await, Err(StoreError::Lost));
}
