//! Shared by the Redis tests.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

pub mod hands;

use crate::common;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tollwire_ledger::{Error, Ledger, Outcome};
use tollwire_ledger_redis::{RedisConfig, RedisLedger};
use tollwire_redis::redis::aio::MultiplexedConnection;
use tollwire_redis::redis::{Client, cmd};
use tollwire_testkit::redis::{RedisCluster, RedisServer};

/// How long a change of primaries may take, the waits of those who decide on it included.
const WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);

/// The defaults for a test's server.
pub fn config(server: &RedisServer) -> RedisConfig {
    RedisConfig::new(server.url())
}

pub async fn connect(server: &RedisServer) -> RedisLedger {
    RedisLedger::connect(config(server)).await.unwrap()
}

/// The defaults for a cluster, whose payments count when a replica has them.
pub fn config_of(cluster: &RedisCluster) -> RedisConfig {
    let mut config = RedisConfig::new(cluster.url());
    config.wait_replicas = 1;
    config
}

pub async fn connect_to(cluster: &RedisCluster) -> RedisLedger {
    RedisLedger::connect(config_of(cluster)).await.unwrap()
}

/// Tries again until it works. Nothing but "not now" may be answered until then.
pub async fn until<F: Future<Output = Result<bool, Error>>>(what: &str, mut attempt: impl FnMut() -> F) {
    let begun = Instant::now();
    loop {
        match attempt().await {
            Ok(true) => return,
            Ok(false) | Err(Error::Unavailable(_)) => {}
            Err(other) => panic!("{what}: {other:?}"),
        }
        assert!(begun.elapsed() < WITHIN, "{what}");
        tokio::time::sleep(POLL).await;
    }
}

/// Whether payment and session `n` were bought; asked again they are.
pub async fn bought(ledger: &dyn Ledger, n: u64) -> Result<bool, Error> {
    let what = common::intent(n, 100);
    let what = tollwire_ledger::model::Intent { balance_ttl_ms: 86_400_000, ..what };
    for command in [common::record(n, what), common::credit(n, n)] {
        let outcome = ledger.apply(command).await?;
        assert!(matches!(outcome, Outcome::Done(_) | Outcome::Replayed(_)), "{outcome:?}");
    }
    Ok(true)
}

/// A connection of the test's own, to look and to do harm.
pub async fn direct(server: &RedisServer) -> MultiplexedConnection {
    Client::open(server.url()).unwrap().get_multiplexed_async_connection().await.unwrap()
}

/// Every key that fits the pattern, with its content in Redis's own form.
pub async fn dump(connection: &mut MultiplexedConnection, pattern: &str) -> BTreeMap<String, Vec<u8>> {
    let keys: Vec<String> = cmd("KEYS").arg(pattern).query_async(connection).await.unwrap();
    let mut content = BTreeMap::new();
    for key in keys {
        let bytes = cmd("DUMP").arg(&key).query_async(connection).await.unwrap();
        content.insert(key, bytes);
    }
    content
}
