//! The rows that brokers share: the contract of every store of rows, and what is demanded of the server.

#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

#[path = "../../relay/tests/common/mod.rs"]
mod common;

use tollwire_redis::redis::{Client, cmd};
use tollwire_relay::store::{Rows as _, StoreError};
use tollwire_relay_redis::{RedisRows, RelayRedis, ServerConfig};
use tollwire_testkit::redis::RedisServer;

async fn rows(server: &RedisServer) -> RedisRows {
    RedisRows::new(RelayRedis::connect(ServerConfig::new(server.url())).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn on_redis() {
    let server = RedisServer::start().await.unwrap();
    common::contract(&rows(&server).await).await;
}

#[tokio::test]
async fn a_server_that_may_forget_is_refused_and_one_that_forgot_is_noticed() {
    let forgetful = RedisServer::with(&[("appendonly", "no")]).await.unwrap();
    let refused = RelayRedis::connect(ServerConfig::new(forgetful.url())).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unfit(why) if why.contains("appendonly yes")));

    let server = RedisServer::start().await.unwrap();
    let rows = rows(&server).await;
    assert_eq!(rows.row("a").await, Ok(None));
    let mut other = Client::open(server.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    cmd("FLUSHALL").exec_async(&mut other).await.unwrap();
    assert_eq!(rows.row("a").await, Err(StoreError::Lost));
}
