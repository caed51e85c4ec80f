//! Bounds: rates, connections, frames, and readers that are slow.

use super::rig::{Bridge, id};
use serde_json::json;
use std::time::{Duration, Instant};
use tollwire_tests::raw::{Raw, masked};
use tollwire_tests::ws::open;

#[tokio::test]
async fn an_app_has_a_rate_and_so_many_connections() {
    let bridge = Bridge::start().await;
    bridge.add("agents", &json!({ "id": "athena" })).await;
    let app = json!({ "id": "portal", "events_per_minute": 3, "connections": 2 });
    let token = bridge.add("apps", &app).await;
    let mut portal = bridge.connect("app", &token).await;
    for _ in 0..3 {
        portal.accepted("athena", "t", "1").await;
    }
    portal.event("athena", "t", "1").await;
    let error = portal.error("RATE_LIMITED").await;
    assert!((1..=21).contains(&error["retry_after"].as_u64().unwrap()), "{error}");
    let mut other = bridge.connect("app", &token).await;
    other.event("athena", "t", "1").await;
    other.error("RATE_LIMITED").await;
    let bearer = format!("Bearer {token}");
    let refused = open(&bridge.broker.bridge_url("app"), &[("authorization", &bearer)]).await.err().unwrap();
    assert_eq!(refused.status, 429);
    bridge.admin("PATCH", "apps/portal", &json!({ "events_per_minute": 100 })).await;
    portal.accepted("athena", "t", "1").await;
}

#[tokio::test]
async fn frames_that_cannot_be_taken_end_the_connection_with_their_code() {
    let bridge = Bridge::start().await;
    let (_, token) = bridge.app("portal").await;
    let target = format!("/v1/ws/app?token={token}");
    for (frame, code) in [
        (masked(0x81, &vec![b'x'; 2_000_000]), 1009),
        (masked(0x82, b"bytes"), 1003),
        (masked(0x81, &[0xFF, 0xFE]), 1007),
    ] {
        let mut raw = Raw::upgraded(bridge.broker.port(), &target).await;
        raw.send(&frame).await;
        assert_eq!(raw.close_code().await, Some(code), "{:?}", &frame[..2]);
    }
    let mut app = bridge.connect("app", &token).await;
    for _ in 0..19 {
        app.say("nonsense").await;
        app.error("INVALID_MESSAGE").await;
    }
    app.say("nonsense").await;
    assert_eq!(app.ended().await, 1008);
}

/// An app that reads nothing while an agent pours out tokens costs its queue, and slows nobody.
#[tokio::test]
async fn a_slow_app_is_cut_off_and_slows_nobody() {
    let bridge = Bridge::limited("queue_bytes = 200000\nstall = \"60s\"").await;
    let (mut athena, _) = bridge.agent("athena").await;
    let (mut klyve, _) = bridge.agent("klyve").await;
    let (_, token) = bridge.app("slow").await;
    let (mut quick, _) = bridge.app("quick").await;
    let mut slow = Raw::upgraded(bridge.broker.port(), &format!("/v1/ws/app?token={token}")).await;
    slow.send(&masked(0x81, br#"{"type":"event","agent_id":"athena","thread_id":"t","payload":1}"#)).await;
    let event = id(&athena.heard("event").await);
    let text = "x".repeat(10_000);
    let pouring = async {
        for _ in 0..2_000 {
            athena.token(&event, &text).await;
        }
        athena.reply(&event, "whole").await;
    };
    let asking = async {
        let begun = Instant::now();
        for number in 0..50 {
            let event = quick.accepted("klyve", "t", &number.to_string()).await;
            klyve.heard("event").await;
            klyve.reply(&event, "done").await;
            quick.heard("reply").await;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    };
    tokio::join!(pouring, asking);
    assert_eq!(slow.close_code().await, Some(4013));
    let mut back = bridge.connect("app", &token).await;
    assert_eq!(back.heard("reply").await["content"], "whole", "the answer has it all");
}

/// Tokens that wait are merged: a reader that pauses gets all of the text.
#[tokio::test]
async fn tokens_that_wait_become_one() {
    let bridge = Bridge::start().await;
    let (mut athena, _) = bridge.agent("athena").await;
    let (mut portal, _) = bridge.app("portal").await;
    let event = portal.accepted("athena", "t", "1").await;
    athena.heard("event").await;
    let mut sent = String::new();
    for number in 0..5_000 {
        let text = format!("{number} ");
        athena.token(&event, &text).await;
        sent.push_str(&text);
    }
    athena.reply(&event, "done").await;
    let mut text = String::new();
    loop {
        let frame = portal.frame().await;
        match frame["type"].as_str() {
            Some("token") => text.push_str(frame["token"].as_str().unwrap()),
            Some("reply") => break,
            _ => panic!("{frame}"),
        }
    }
    assert_eq!(text, sent);
}

/// Much that waits, for either side, comes as fast as it is taken: a small queue is no reason to be cut off.
#[tokio::test]
async fn what_waits_is_larger_than_a_queue_and_comes_all_the_same() {
    const EVENTS: usize = 120;
    let bridge = Bridge::limited("queue_bytes = 100000").await;
    let agent = bridge.add("agents", &json!({ "id": "athena" })).await;
    let (mut portal, app) = bridge.app("portal").await;
    let payload = format!("\"{}\"", "x".repeat(40_000));
    let mut events = Vec::new();
    for _ in 0..EVENTS {
        events.push(portal.accepted("athena", "t", &payload).await);
    }
    portal.0.close().await;
    let mut athena = bridge.connect("agent", &agent).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    for event in &events {
        let frame = athena.heard("event").await;
        assert_eq!((id(&frame), frame["payload"].as_str().unwrap().len()), (event.clone(), 40_000));
        athena.reply(event, "done").await;
    }
    bridge.audited("replied", EVENTS).await;
    let mut portal = bridge.connect("app", &app).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    for event in &events {
        let reply = portal.heard("reply").await;
        assert_eq!((id(&reply), reply["payload"].as_str().unwrap().len()), (event.clone(), 40_000));
    }
}
