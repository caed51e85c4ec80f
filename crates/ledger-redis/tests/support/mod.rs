//! Shared by the Redis tests.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

use std::collections::BTreeMap;
use tollwire_ledger_redis::{RedisConfig, RedisLedger};
use tollwire_redis::redis::aio::MultiplexedConnection;
use tollwire_redis::redis::{Client, cmd};
use tollwire_testkit::redis::RedisServer;

/// The defaults for a test's server.
pub fn config(server: &RedisServer) -> RedisConfig {
    RedisConfig::new(server.url())
}

pub async fn connect(server: &RedisServer) -> RedisLedger {
    RedisLedger::connect(config(server)).await.unwrap()
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
