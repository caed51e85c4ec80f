//! Purses that brokers share: the same contract.

#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

#[path = "../../relay/tests/purse_common/mod.rs"]
mod purse_common;

use std::sync::Arc;
use tollwire_relay_redis::{RedisRows, RelayRedis, ServerConfig};
use tollwire_testkit::redis::RedisServer;

#[tokio::test(flavor = "multi_thread")]
async fn on_redis() {
    let server = RedisServer::start().await.unwrap();
    let redis = RelayRedis::connect(ServerConfig::new(server.url())).await.unwrap();
    purse_common::contract(Arc::new(RedisRows::new(redis))).await;
}
