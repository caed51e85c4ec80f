//! Two brokers on one Redis are one bridge.

use super::rig::{Bridge, PAYLOAD, id};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tollwire_testkit::redis::RedisServer;

/// Two brokers, and what they share.
struct Pair {
    one: Bridge,
    other: Bridge,
    redis: RedisServer,
}

impl Pair {
    async fn start() -> Self {
        let redis = RedisServer::start().await.unwrap();
        let store = format!("store = \"{}\"", redis.url());
        let (one, other) = tokio::join!(Bridge::with(&store, ""), Bridge::with(&store, ""));
        Self { one, other, redis }
    }
}

/// Until the other node has heard of it.
async fn soon() {
    tokio::time::sleep(Duration::from_millis(1_500)).await;
}

#[tokio::test]
async fn an_app_on_one_and_its_agent_on_the_other() {
    let pair = Pair::start().await;
    let (app, agent) = (
        pair.one.add("apps", &json!({ "id": "portal" })).await,
        pair.one.add("agents", &json!({ "id": "athena" })).await,
    );
    soon().await;
    let mut athena = pair.other.connect("agent", &agent).await;
    let mut portal = pair.one.connect("app", &app).await;
    soon().await;
    for round in 0..20_u32 {
        portal.event("athena", "t", PAYLOAD).await;
        let accepted = portal.heard("accepted").await;
        assert_eq!(accepted["delivery"], "delivered");
        let event = id(&accepted);
        let text = athena.text().await;
        assert!(text.ends_with(&format!("\"payload\":{PAYLOAD}}}")), "{text}");
        let mut sent = String::new();
        for number in 0..30_u32 {
            let token = format!("{round}.{number} ");
            athena.token(&event, &token).await;
            sent.push_str(&token);
        }
        athena.reply(&event, "done").await;
        let mut heard = String::new();
        loop {
            let text = portal.text().await;
            if text.starts_with("{\"type\":\"reply\"") {
                assert!(text.ends_with(&format!("\"payload\":{PAYLOAD}}}")), "{text}");
                break;
            }
            let frame: Value = serde_json::from_str(&text).unwrap();
            heard.push_str(frame["token"].as_str().unwrap_or_else(|| panic!("{frame}")));
        }
        assert_eq!(heard, sent, "in order, before the answer");
    }
}

#[tokio::test]
async fn what_one_registers_revokes_or_connects_holds_on_the_other() {
    let pair = Pair::start().await;
    let (mut older, token) = pair.one.agent("athena").await;
    let (mut portal, app) = pair.one.app("portal").await;
    soon().await;
    let event = portal.accepted("athena", "t", "1").await;
    older.heard("event").await;
    let mut newer = pair.other.connect("agent", &token).await;
    assert_eq!(older.ended().await, 4009);
    assert_eq!(id(&newer.heard("event").await), event);
    newer.reply(&event, "done").await;
    assert_eq!(id(&portal.heard("reply").await), event);

    let mut elsewhere = pair.other.connect("app", &app).await;
    let send = json!({ "type": "event", "agent_id": "athena", "thread_id": "t", "client_msg_id": "m1", "payload": 1 });
    portal.send(&send).await;
    let first = portal.heard("accepted").await;
    elsewhere.send(&send).await;
    let second = elsewhere.heard("accepted").await;
    assert_eq!((id(&second), &second["duplicate"]), (id(&first), &json!(true)));
    let begun = Instant::now();
    pair.one.admin("POST", "apps/portal/revoke", &Value::Null).await;
    assert_eq!((portal.ended().await, elsewhere.ended().await), (4001, 4001));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_killed_node_loses_neither_events_nor_answers() {
    let mut pair = Pair::start().await;
    let (mut athena, agent) = pair.one.agent("athena").await;
    let (mut portal, app) = pair.one.app("portal").await;
    soon().await;
    let mut events = Vec::new();
    for number in 0..5 {
        events.push(portal.accepted("athena", "t", &number.to_string()).await);
        athena.heard("event").await;
    }
    pair.one.broker.crash().await;
    let mut athena = pair.other.connect("agent", &agent).await;
    for event in &events {
        assert_eq!(id(&athena.heard("event").await), *event);
        athena.reply(event, "done").await;
    }
    // Answers were for a connection that is gone with its node, which is believed to live for a few seconds.
    let mut portal = pair.other.connect("app", &app).await;
    for event in &events {
        assert_eq!(id(&portal.heard("reply").await), *event);
    }
    assert!(portal.is_silent(Duration::from_millis(500)).await);
}

#[tokio::test]
async fn a_redis_that_is_killed_and_comes_back_loses_nothing() {
    let mut pair = Pair::start().await;
    let (mut athena, _) = pair.other.agent("athena").await;
    let (mut portal, _) = pair.one.app("portal").await;
    soon().await;
    let event = portal.accepted("athena", "t", "1").await;
    athena.heard("event").await;
    pair.redis.kill9().await.unwrap();
    portal.event("athena", "t", "2").await;
    portal.error("UNAVAILABLE").await;
    athena.reply(&event, "while it was away").await;
    pair.redis.restart().await.unwrap();
    let reply = portal.heard("reply").await;
    assert_eq!((id(&reply), &reply["content"]), (event, &json!("while it was away")));
    let event = portal.accepted("athena", "t", "3").await;
    assert_eq!(id(&athena.heard("event").await), event);
}
