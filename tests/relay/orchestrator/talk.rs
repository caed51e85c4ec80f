//! The protocol's own frames, and what is refused.

use super::rig::{APPROVE, CANCEL, COUNT, DECLINE, Opened, PRICE, SUMMARIZE, Stage, Talk, url};
use serde_json::{Value, json};
use std::time::Duration;
use tollwire_tests::http;
use tollwire_tests::ws::{Socket, open, open_with_answer};

#[tokio::test]
async fn a_free_job_end_to_end() {
    let stage = Stage::set().await;
    let person = stage.person("ada").await;
    let (mut talk, session) = person.connect(&stage.broker).await;
    talk.say(COUNT).await;
    let data = talk.heard("AGENT_MESSAGE").await;
    assert_eq!(data["content"], "count: done");
    assert_eq!(data["agent_name"], "Document Summarizer");
    let catalogue = http::get(&stage.broker.url("/api/agents?q=ARTICLES"), &[]).await.json();
    assert_eq!(catalogue["agents"][0]["id"], data["agent_id"], "{catalogue}");
    let (headers, asked) = stage.helper.invoked().remove(0);
    assert_eq!(headers["x-orchestrator-key"], stage.agent_key.as_str());
    assert_eq!(stage.agent_key.len(), 43);
    assert_eq!((&asked["session_id"], &asked["command"]), (&json!(session.id), &json!("count")));
    assert_eq!(headers["idempotency-key"], asked["context"]["job_id"].as_str().unwrap());

    // What the brain knows nobody for it answers itself.
    talk.say(r#"{"type":"USER_MESSAGE","data":{"message":"sing"}}"#).await;
    let data = talk.heard("AGENT_MESSAGE").await;
    assert_eq!(data["agent_name"], "Concierge");
    assert!(data["content"].as_str().unwrap().contains("I know: Document Summarizer"), "{data}");

    talk.say(CANCEL).await;
    assert_eq!(talk.heard("SESSION_CLOSED").await, json!({ "reason": "Cancelled", "phase": "CLOSED" }));
    assert_eq!(talk.ended().await, 1000);
    // It is over: its token, which is still good, opens nothing.
    let mut late = Talk::open(&stage.broker, &session).await;
    late.error("session_not_found").await;
    assert_eq!(late.ended().await, 4004);
}

#[tokio::test]
async fn the_seed_s_frames_drive_a_paid_job() {
    let stage = Stage::set().await;
    let person = stage.person("ada").await;
    let (_, deposit) = person.deposit(&stage.broker, 1_000_000).await;
    let (mut talk, _) = person.connect(&stage.broker).await;
    talk.say(SUMMARIZE).await;
    let data = talk.heard("PAYMENT_REQUEST").await;
    for (name, value) in [
        ("amount_usdc", "0.05"),
        ("agent_name", "Document Summarizer"),
        ("action", "summarize"),
        ("description", "Summarize a 5,000-word document"),
    ] {
        assert_eq!(data[name], value, "{data}");
    }
    assert_eq!(data["payment_required"]["x402Version"], 2, "{data}");
    assert_eq!(data["payment_required"]["accepts"][0]["amount"], PRICE.to_string());
    talk.say(APPROVE).await;
    let paid = talk.heard("PAYMENT_SUCCESSFUL").await;
    assert_eq!((&paid["amount_usdc"], &paid["source"]), (&json!("0.05"), &json!("balance")));
    assert_eq!(paid["tx_hash"], deposit, "the deposit's own transaction");
    assert_eq!(paid["payment_id"], data["payment_id"]);
    assert_eq!(talk.answer().await, "summarize: done");
    let arguments = &stage.helper.invoked()[0].1["arguments"];
    assert_eq!(*arguments, json!({ "url": "https://example.com/article" }));
    assert_eq!(person.balance(&stage.broker).await, "0.95");
    talk.say(CANCEL).await;
    talk.heard("SESSION_CLOSED").await;
    assert_eq!(talk.ended().await, 1000);
}

#[tokio::test]
async fn what_a_token_is_not_good_for_is_said_on_the_wire() {
    let stage = Stage::set().await;
    let (ada, bob) = (stage.person("ada").await, stage.person("bob").await);
    let (one, other) = (ada.session(&stage.broker).await, bob.session(&stage.broker).await);
    for (session, token) in [
        (one.id.as_str(), ""),
        (&one.id, "x"),
        (&one.id, &other.token),
        ("3fa85f64-5717-4562-b3fc-2c963f66afa6", &one.token),
        (&one.id, &format!("{}x", one.token)),
    ] {
        let mut talk = Talk(open(&url(&stage.broker, session, token), &[]).await.unwrap());
        talk.error("auth_failed").await;
        assert_eq!(talk.ended().await, 4001, "{session} {token}");
    }
    // By subprotocol, alone and beside another.
    for offered in [format!("bearer.{}", one.token), format!("chat, bearer.{}", one.token)] {
        let plain = url(&stage.broker, &one.id, "").replace("?token=", "");
        let headers = [("sec-websocket-protocol", offered.as_str())];
        let (socket, answer) = open_with_answer(&plain, &headers).await.unwrap();
        let chosen = answer["sec-websocket-protocol"].to_str().unwrap().to_owned();
        assert_eq!(chosen, offered.split(',').next().unwrap());
        let mut talk = Talk(socket);
        talk.say("{}").await;
        talk.error("invalid_message").await;
        talk.0.close().await;
    }
    let sessions = bob.ask(&stage.broker, "GET", &format!("/api/sessions/{}", one.id), &Value::Null).await;
    assert_eq!(sessions.status, 404, "somebody else's session");
    assert!(!stage.broker.output().contains(&one.token), "a token was logged");
}

#[tokio::test]
async fn tokens_end() {
    let stage = Stage::with("token_ttl = \"1s\"").await;
    let person = stage.person("ada").await;
    let session = person.session(&stage.broker).await;
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    let mut late = Talk::open(&stage.broker, &session).await;
    late.error("auth_failed").await;
    assert_eq!(late.ended().await, 4001);
    let mut talk = Talk::open(&stage.broker, &person.again(&stage.broker, &session).await).await;
    talk.say(COUNT).await;
    assert_eq!(talk.answer().await, "count: done");
}

/// A second socket, which must end with 4010.
async fn second(stage: &Stage, session: &Opened) {
    let mut second = Talk::open(&stage.broker, session).await;
    assert_eq!(second.ended().await, 4010);
}

#[tokio::test]
async fn a_session_has_one_socket_and_lets_another_in_when_it_is_gone() {
    let stage = Stage::set().await;
    let person = stage.person("ada").await;
    let (mut talk, session) = person.connect(&stage.broker).await;
    talk.say(COUNT).await;
    // It has the session now: of two that come at once either may be the first.
    assert_eq!(talk.answer().await, "count: done");
    second(&stage, &session).await;
    talk.say(COUNT).await;
    assert_eq!(talk.answer().await, "count: done", "the first is not disturbed");
    talk.0.close().await;
    let mut talk = Talk::open(&stage.broker, &session).await;
    talk.say(COUNT).await;
    assert_eq!(talk.answer().await, "count: done");
    second(&stage, &session).await;
}

/// Every row of the phase table that a person can ask for, allowed and refused, through the binary.
#[tokio::test]
async fn what_is_out_of_place_is_refused_and_changes_nothing() {
    let stage = Stage::with("queue = 2").await;
    let person = stage.person("ada").await;
    person.deposit(&stage.broker, 1_000_000).await;
    let (mut talk, _) = person.connect(&stage.broker).await;
    // CONNECTED
    for wrong in [APPROVE, DECLINE, "[]", r#"{"type":"USER_MESSAGE","data":{}}"#] {
        talk.say(wrong).await;
        talk.error("invalid_message").await;
    }
    // WORKING
    stage.helper.hold(true);
    talk.say(COUNT).await;
    stage.helper.asked(1).await;
    talk.say(APPROVE).await;
    talk.error("invalid_message").await;
    for _ in 0..2 {
        talk.say(COUNT).await;
    }
    talk.say(COUNT).await;
    assert!(talk.error("invalid_message").await.contains("too many"), "the queue is bounded");
    stage.helper.hold(false);
    for _ in 0..3 {
        assert_eq!(talk.answer().await, "count: done");
    }
    // AWAITING_PAYMENT
    talk.say(SUMMARIZE).await;
    let asked = talk.heard("PAYMENT_REQUEST").await;
    talk.say(COUNT).await;
    talk.say(r#"{"type":"PAYMENT_RESPONSE","data":{"approved":true,"payment_id":"another"}}"#).await;
    talk.error("invalid_message").await;
    talk.say(DECLINE).await;
    talk.error("payment_declined").await;
    assert_eq!(talk.answer().await, "count: done", "what waited goes on");
    talk.say(SUMMARIZE).await;
    let again = talk.heard("PAYMENT_REQUEST").await;
    assert_ne!(asked["payment_id"], again["payment_id"]);
    talk.say(CANCEL).await;
    talk.heard("SESSION_CLOSED").await;
    assert_eq!(talk.ended().await, 1000);
    assert_eq!(person.balance(&stage.broker).await, "1.00", "nothing was charged");
}

#[tokio::test]
async fn an_agent_that_is_not_well_is_not_connected() {
    let stage = Stage::set().await;
    let person = stage.person("ada").await;
    let (mut talk, _) = person.connect(&stage.broker).await;
    stage.helper.is_healthy(false);
    talk.say(COUNT).await;
    let why = talk.error("agent_unavailable").await;
    assert_eq!(why, "The requested agent is currently unhealthy. Please try again later.");
    let seen = http::get(&stage.broker.url("/api/agents/summarizer"), &[]).await.json();
    assert_eq!(
        (&seen["last_health_status"], &seen["consecutive_health_failures"]),
        (&json!("unhealthy"), &json!(1))
    );
    stage.helper.is_healthy(true);
    let checks = stage.helper.checks();
    talk.say(COUNT).await;
    assert_eq!(talk.answer().await, "count: done");
    assert_eq!(stage.helper.checks(), checks + 1, "asked before it is connected");
}

#[tokio::test]
async fn a_cancelled_job_is_given_up() {
    let stage = Stage::set().await;
    let person = stage.person("ada").await;
    person.deposit(&stage.broker, 1_000_000).await;
    let (mut talk, _) = person.connect(&stage.broker).await;
    stage.helper.hold(true);
    talk.approved().await;
    stage.helper.asked(1).await;
    assert_eq!(person.balance(&stage.broker).await, "0.95", "held");
    talk.say(CANCEL).await;
    talk.heard("SESSION_CLOSED").await;
    assert_eq!(talk.ended().await, 1000);
    assert_eq!(person.balance(&stage.broker).await, "1.00", "given back");
}

#[tokio::test]
async fn binary_frames_and_nonsense_end_a_connection() {
    let stage = Stage::set().await;
    let person = stage.person("ada").await;
    let (mut talk, session) = person.connect(&stage.broker).await;
    for _ in 0..20 {
        talk.0.send(tollwire_testkit::feed::Message::text("nonsense")).await;
    }
    assert_eq!(talk.ended().await, 1008);
    let Socket(_) = &talk.0;
    let mut talk = Talk::open(&stage.broker, &session).await;
    talk.0.send(tollwire_testkit::feed::Message::binary(vec![1])).await;
    assert_eq!(talk.ended().await, 1003);
}
