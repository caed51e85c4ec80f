//! Two brokers on one Redis are one.

use super::shop::{address, as_on_chain, collect, facilitator, paid, payment, settled_at};
use crate::rig::{frame, send};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;
use tollwire_testkit::redis::RedisServer;
use tollwire_tests::agent::Agent;
use tollwire_tests::api::Api;
use tollwire_tests::broker::Broker;
use tollwire_tests::facilitator::Facilitator;
use tollwire_tests::ws::open;

struct Pair {
    _facilitator: Facilitator,
    redis: RedisServer,
    api: Api,
    brokers: [Broker; 2],
}

impl Pair {
    async fn start() -> Self {
        let (facilitator, api) = (facilitator().await, Api::start().await);
        let redis = RedisServer::start().await.unwrap();
        let settings = settled_at(address(&facilitator), &redis.url(), &api);
        let brokers = [Broker::start(&settings).await, Broker::start(&settings).await];
        Self { _facilitator: facilitator, redis, api, brokers }
    }
}

#[tokio::test]
async fn fifty_sockets_with_one_payment_get_fifty_answers_of_one_call() {
    let pair = Pair::start().await;
    let payment = payment(&pair.brokers[0], &Agent::new(), "/held").await;
    let mut sockets = Vec::new();
    for number in 0..50 {
        let mut socket = open(&pair.brokers[number % 2].socket_url(), &[]).await.unwrap();
        send(&mut socket, &paid(number, "/held", &payment)).await;
        sockets.push(socket);
    }
    pair.api.asked(1).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    pair.api.release();
    let mut transactions = BTreeSet::new();
    for (number, socket) in sockets.iter_mut().enumerate() {
        let sold = frame(socket).await;
        assert_eq!((&sold["id"], &sold["result"]), (&json!(number), &json!({ "held": true })), "{sold}");
        transactions.insert(sold["paymentResponse"]["transaction"].to_string());
    }
    assert_eq!((pair.api.seen().len(), transactions.len()), (1, 1));
    for broker in &pair.brokers {
        let again = collect(broker, "/held", &payment).await;
        assert_eq!((again.status.as_u16(), again.header("tollwire-replayed")), (200, Some("true")));
        assert_eq!(collect(broker, "/held", &as_on_chain(&payment)).await.status, 401);
        assert_eq!(collect(broker, "/slow?1", &payment).await.status, 409);
    }
}

#[tokio::test]
async fn what_a_killed_broker_began_the_other_finishes() {
    let mut pair = Pair::start().await;
    let payment = payment(&pair.brokers[0], &Agent::new(), "/held").await;
    let mut socket = open(&pair.brokers[0].socket_url(), &[]).await.unwrap();
    send(&mut socket, &paid(1, "/held", &payment)).await;
    pair.api.asked(1).await;
    let [first, second] = &mut pair.brokers;
    first.crash().await;
    pair.api.release();
    let answer = tokio::time::timeout(Duration::from_secs(40), collect(second, "/held", &payment)).await;
    let answer = answer.unwrap();
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({ "held": true })), "{answer:?}");
    assert_eq!(pair.api.seen().len(), 2);
}

/// How often rows were read or changed so far; each time is one round trip.
async fn asked(redis: &RedisServer) -> u64 {
    let stats = redis.command(&["INFO", "commandstats"]).await.unwrap();
    let calls = |name: &str| {
        let line = stats.lines().find_map(|line| line.strip_prefix(name));
        let calls = line.and_then(|line| line.strip_prefix(":calls=")?.split(',').next());
        calls.map_or(0, |calls| calls.parse::<u64>().unwrap())
    };
    calls("cmdstat_evalsha") + calls("cmdstat_hmget")
}

#[tokio::test]
async fn a_paid_call_asks_redis_three_times() {
    let pair = Pair::start().await;
    // The first loads the scripts.
    for _ in 0..2 {
        let payment = payment(&pair.brokers[0], &Agent::new(), "/slow?1").await;
        assert_eq!(collect(&pair.brokers[0], "/slow?1", &payment).await.status, 200);
    }
    let mut fewest = u64::MAX;
    for _ in 0..10 {
        let payment = payment(&pair.brokers[0], &Agent::new(), "/slow?1").await;
        let before = asked(&pair.redis).await;
        assert_eq!(collect(&pair.brokers[0], "/slow?1", &payment).await.status, 200);
        fewest = fewest.min(asked(&pair.redis).await - before);
    }
    assert_eq!(fewest, 3, "claim, keep the answer, keep the settlement");
}
