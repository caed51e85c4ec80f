//! Somebody is away: events wait for agents, answers for apps, and a newer connection takes an older one's place.

use super::rig::{Bridge, id};
use serde_json::json;
use std::time::{Duration, Instant};

const A_MOMENT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn events_wait_for_their_agent_and_answers_for_their_app() {
    let bridge = Bridge::start().await;
    let token = bridge.add("agents", &json!({ "id": "athena" })).await;
    let (mut portal, app_token) = bridge.app("portal").await;
    portal.event("athena", "t", "1").await;
    let accepted = portal.heard("accepted").await;
    assert_eq!(accepted["delivery"], "queued");
    let event = id(&accepted);
    portal.0.close().await;

    let mut athena = bridge.connect("agent", &token).await;
    let frame = athena.heard("event").await;
    assert_eq!((id(&frame), frame.get("redelivered")), (event.clone(), None));
    athena.token(&event, "nobody").await;
    athena.reply(&event, "for later").await;
    bridge.audited("replied", 1).await;
    let mut portal = bridge.connect("app", &app_token).await;
    let reply = portal.heard("reply").await;
    assert_eq!((id(&reply), &reply["content"]), (event, &json!("for later")), "tokens are not kept");
    assert!(portal.is_silent(A_MOMENT).await, "and its pong leaves");
    bridge.audited("received", 1).await;
    let mut again = bridge.connect("app", &app_token).await;
    assert!(again.is_silent(A_MOMENT).await, "it has arrived");
}

#[tokio::test]
async fn what_an_agent_has_not_taken_comes_again_and_what_it_has_does_not() {
    let bridge = Bridge::start().await;
    let (mut athena, token) = bridge.agent("athena").await;
    let (mut portal, _) = bridge.app("portal").await;
    let mut events = Vec::new();
    for number in 0..4 {
        events.push(portal.accepted("athena", "t", &number.to_string()).await);
        athena.heard("event").await;
    }
    athena.send(&json!({ "type": "ack", "event_id": events[1] })).await;
    athena.token(&events[2], "begun").await;
    portal.heard("token").await;
    athena.0.close().await;
    let later = portal.accepted("athena", "t", "4").await;

    let mut athena = bridge.connect("agent", &token).await;
    for event in [&events[0], &events[3]] {
        let frame = athena.heard("event").await;
        assert_eq!((id(&frame), &frame["redelivered"]), (event.clone(), &json!(true)));
    }
    let frame = athena.heard("event").await;
    assert_eq!((id(&frame), frame.get("redelivered")), (later, None));
    assert!(athena.is_silent(A_MOMENT).await);
    for event in &events {
        athena.reply(event, "done").await;
        assert_eq!(id(&portal.heard("reply").await), *event, "those it has it may answer");
    }
}

#[tokio::test]
async fn the_newest_connection_of_an_agent_is_its_connection() {
    let bridge = Bridge::start().await;
    let (mut older, token) = bridge.agent("athena").await;
    let (mut portal, _) = bridge.app("portal").await;
    let event = portal.accepted("athena", "t", "1").await;
    older.heard("event").await;
    let mut newer = bridge.connect("agent", &token).await;
    assert_eq!(older.ended().await, 4009);
    assert_eq!(newer.heard("event").await["redelivered"], true);
    newer.reply(&event, "done").await;
    assert_eq!(id(&portal.heard("reply").await), event);
    let event = portal.accepted("athena", "t", "2").await;
    assert_eq!(id(&newer.heard("event").await), event);
}

#[tokio::test]
async fn answers_go_to_the_connection_that_asked_and_else_to_one_other() {
    let bridge = Bridge::start().await;
    let (mut athena, _) = bridge.agent("athena").await;
    let (mut one, token) = bridge.app("portal").await;
    let mut two = bridge.connect("app", &token).await;
    let mut three = bridge.connect("app", &token).await;
    for app in [&mut one, &mut two] {
        let event = app.accepted("athena", "t", "1").await;
        athena.heard("event").await;
        athena.token(&event, "x").await;
        assert_eq!(id(&app.heard("token").await), event);
        athena.reply(&event, "done").await;
        assert_eq!(id(&app.heard("reply").await), event);
    }
    assert!(three.is_silent(A_MOMENT).await);
    let event = one.accepted("athena", "t", "1").await;
    athena.heard("event").await;
    one.0.close().await;
    athena.reply(&event, "done").await;
    let (two, three) = tokio::join!(two.is_silent(A_MOMENT * 3), three.is_silent(A_MOMENT * 3));
    assert_ne!(two, three, "one of them has it, and one only");
}

#[tokio::test]
async fn an_agent_that_rejects_while_away_is_offline_and_so_is_a_full_one() {
    let bridge = Bridge::limited("agent_queue_events = 2").await;
    bridge.add("agents", &json!({ "id": "athena" })).await;
    bridge.add("agents", &json!({ "id": "klyve", "offline": "reject" })).await;
    let (mut portal, _) = bridge.app("portal").await;
    portal.event("klyve", "t", "1").await;
    let error = portal.error("AGENT_OFFLINE").await;
    assert!(error["event_id"].as_str().is_some_and(|id| id.starts_with("evt_")), "{error}");
    for _ in 0..2 {
        portal.accepted("athena", "t", "1").await;
    }
    portal.event("athena", "t", "1").await;
    assert_eq!(portal.error("AGENT_OFFLINE").await["agent_id"], "athena", "the new one is refused");
}

#[tokio::test]
async fn what_waits_too_long_ends_as_the_agent_s_absence() {
    let bridge = Bridge::limited("queue_ttl = \"1s\"").await;
    bridge.add("agents", &json!({ "id": "athena" })).await;
    let (mut portal, _) = bridge.app("portal").await;
    let begun = Instant::now();
    let event = portal.accepted("athena", "t", "1").await;
    let error = portal.error("AGENT_OFFLINE").await;
    assert_eq!((id(&error), begun.elapsed() >= Duration::from_secs(1)), (event, true));
}

#[tokio::test]
async fn an_agent_is_given_so_long_for_its_first_token_and_for_each_other() {
    let bridge = Bridge::limited("agent_first_token = \"2s\"\nagent_next_token = \"1s\"").await;
    let (mut athena, token) = bridge.agent("athena").await;
    let (mut portal, _) = bridge.app("portal").await;
    let never = portal.accepted("athena", "t", "1").await;
    let begun = portal.accepted("athena", "t", "2").await;
    for _ in 0..2 {
        athena.heard("event").await;
    }
    athena.token(&begun, "x").await;
    portal.heard("token").await;
    let at = Instant::now();
    assert_eq!(id(&portal.error("AGENT_TIMEOUT").await), begun);
    assert!((800..3_000).contains(&at.elapsed().as_millis()), "{:?}", at.elapsed());
    assert_eq!(id(&portal.error("AGENT_TIMEOUT").await), never);
    assert!((1_200..4_000).contains(&at.elapsed().as_millis()), "{:?}", at.elapsed());
    athena.reply(&begun, "too late").await;
    athena.error("INVALID_MESSAGE").await;

    // An agent that goes away with an event it has begun is not waited for longer.
    let left = portal.accepted("athena", "t", "3").await;
    athena.heard("event").await;
    athena.token(&left, "x").await;
    portal.heard("token").await;
    athena.0.close().await;
    assert_eq!(id(&portal.error("AGENT_TIMEOUT").await), left);
    let mut athena = bridge.connect("agent", &token).await;
    assert!(athena.is_silent(A_MOMENT).await);
}
