//! A ledger whose Redis is whichever server its Sentinel calls the primary.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

#[path = "../../ledger/tests/common/mod.rs"]
mod common;
mod support;

use common::{intent, open, session};
use support::{bought, until};
use tollwire_ledger::{Error, Ledger};
use tollwire_ledger_redis::{RedisConfig, RedisLedger};
use tollwire_testkit::redis::{RedisServer, Sentinel};

async fn replica_of(port: u16) -> RedisServer {
    RedisServer::with(&[("replicaof", &format!("127.0.0.1 {port}"))]).await.unwrap()
}

async fn connections_received(server: &RedisServer) -> u64 {
    let stats = server.command(&["INFO", "stats"]).await.unwrap();
    let count = stats.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
    count.unwrap().trim().parse().unwrap()
}

/// A server that was demoted may keep its connections: whoever stayed on one would be refused for ever.
#[tokio::test]
async fn a_server_that_answers_as_a_replica_is_left() {
    let server = RedisServer::start().await.unwrap();
    let ledger = RedisLedger::connect(RedisConfig::new(server.url())).await.unwrap();
    assert!(bought(&ledger, 1).await.unwrap());
    // Of a primary that nobody can reach, so that it keeps what it has.
    server.command(&["REPLICAOF", "127.0.0.1", "1"]).await.unwrap();
    let before = connections_received(&server).await;
    let refused = bought(&ledger, 2).await;
    assert!(matches!(&refused, Err(Error::Unavailable(_))), "{refused:?}");
    let after = connections_received(&server).await;
    assert!(after > before + 1, "it connected again, beside the one that counts: {before}, {after}");
    server.command(&["REPLICAOF", "NO", "ONE"]).await.unwrap();
    assert!(bought(&ledger, 2).await.unwrap());
    assert!(open(&ledger, 1, 1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_follows_the_primary() {
    let first = RedisServer::start().await.unwrap();
    let second = replica_of(first.port()).await;
    let sentinel = Sentinel::watching(&first).await.unwrap();
    until("a replica in sync", async || Ok(sentinel.has_replica().await.unwrap())).await;

    let mut config = RedisConfig::new(sentinel.url());
    let refused = RedisLedger::connect(config.clone()).await;
    assert!(matches!(&refused, Err(Error::Unfit(why)) if why.contains("wait_replicas")), "{refused:?}");
    config.wait_replicas = 1;
    let ledger = RedisLedger::connect(config).await.unwrap();
    assert!(bought(&ledger, 1).await.unwrap());
    assert!(open(&ledger, 1, 1).await);

    // In good order: the old primary lives on as a replica, and refuses what it is still asked to write.
    sentinel.fail_over().await.unwrap();
    until("the second leads", async || Ok(sentinel.primary().await.unwrap() == second.port())).await;
    until("a purchase there", || bought(&ledger, 2)).await;
    assert_eq!(ledger.session(&session(1)).await.unwrap().unwrap().bought, intent(1, 100).units);

    // The hard way: with nobody left to confirm it, a payment does not count; what needs no more than the primary goes on.
    let mut second = second;
    until("the first follows", async || Ok(sentinel.has_replica().await.unwrap())).await;
    second.kill9().await.unwrap();
    until("the first leads again", async || Ok(sentinel.primary().await.unwrap() == first.port())).await;
    until("reading it", async || Ok(ledger.session(&session(2)).await?.is_some())).await;
    assert!(open(&ledger, 2, 1).await);
    assert!(matches!(bought(&ledger, 3).await, Err(Error::Unavailable(_))));
    let _third = replica_of(first.port()).await;
    until("a purchase with a new replica", || bought(&ledger, 3)).await;
    for n in [1, 2, 3] {
        let row = ledger.session(&session(n)).await.unwrap().unwrap();
        assert_eq!(row.bought, 100, "session {n} was bought once");
    }
}
