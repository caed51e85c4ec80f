//! Two brokers on one Redis: one account, to the last atomic unit.

use super::account::{Account, PRICE, secrets, settings, start};
use crate::rig::{frame, get, send};
use futures_util::future::join_all;
use serde_json::Value;
use tollwire_testkit::redis::RedisServer;
use tollwire_tests::api::Api;
use tollwire_tests::broker::{Broker, BrokerSettings};

/// Calls that the account pays for, and how many are made.
const PAID: u64 = 20;
const CALLS: u64 = 60;

struct Pair {
    api: Api,
    redis: RedisServer,
    brokers: [Broker; 2],
}

async fn pair() -> Pair {
    let (api, redis) = (Api::start().await, RedisServer::start().await.unwrap());
    let (secrets, name) = (secrets(), "http://127.0.0.1:1");
    let settings = BrokerSettings { public_url: Some(name.into()), ..settings(&api, &redis.url(), name) };
    let brokers = [start(&settings, &secrets).await, start(&settings, &secrets).await];
    Pair { api, redis, brokers }
}

/// How calls ended, those of one socket at once.
async fn burst(account: &Account, broker: &Broker, calls: u64) -> Vec<Value> {
    let mut socket = account.socket(broker).await;
    for id in 0..calls {
        send(&mut socket, &get(id, "/slow?20")).await;
    }
    let mut answers = Vec::new();
    for _ in 0..calls {
        answers.push(frame(&mut socket).await);
    }
    answers
}

#[tokio::test]
async fn parallel_calls_never_take_more_than_there_is() {
    let pair = pair().await;
    // As much as the calls that it pays for, and not enough for one more.
    let account = Account::buy(&pair.brokers[0], PAID * PRICE).await;
    let sockets = (0..6_usize).map(|at| burst(&account, &pair.brokers[at % 2], CALLS / 6));
    let answers: Vec<Value> = join_all(sockets).await.into_iter().flatten().collect();
    let settled = answers.iter().filter(|answer| answer["metadata"]["settled"] == true).count();
    let short =
        answers.iter().filter(|answer| answer["error"]["data"]["reason"] == "balance_exhausted").count();
    assert_eq!((settled, short), (20, 40), "{answers:?}");
    assert_eq!(pair.api.seen().len(), 20, "an API was asked for a call that nobody pays");
    for broker in &pair.brokers {
        assert_eq!(account.remaining(broker).await, 0);
        let books = account.books(broker).await;
        assert_eq!((books["captured"].as_u64(), books["held"].as_u64()), (Some(PAID * PRICE), Some(0)));
    }
}

#[tokio::test]
async fn one_claim_over_both_brokers_is_one_call() {
    let pair = pair().await;
    let account = Account::buy(&pair.brokers[0], 100_000).await;
    let claim = [("tollwire-claim", "one-claim-for-both")];
    let calls = (0..10_usize).map(|at| account.call(&pair.brokers[at % 2], "/slow?300", &claim));
    for answer in join_all(calls).await {
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, r#"{"slow":300}"#), "{answer:?}");
    }
    assert_eq!((pair.api.seen().len(), account.remaining(&pair.brokers[1]).await), (1, 95_000));
}

/// Scripts and reads of the store so far; each is one round trip.
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
async fn a_call_on_account_asks_redis_five_times() {
    let pair = pair().await;
    let account = Account::buy(&pair.brokers[0], 1_000_000).await;
    let mut fewest = u64::MAX;
    for _ in 0..10 {
        let before = asked(&pair.redis).await;
        assert_eq!(account.call(&pair.brokers[0], "/slow?1", &[]).await.status, 200);
        fewest = fewest.min(asked(&pair.redis).await - before);
    }
    assert_eq!(fewest, 5, "claim, hold, keep the answer, capture, keep that it was");
}
