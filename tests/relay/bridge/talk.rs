//! Events, tokens, answers: the frames, and what is wrong with them.

use super::rig::{Bridge, PAYLOAD, Peer, id};
use serde_json::{Value, json};
use std::time::Duration;

const A_MOMENT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn an_event_is_answered_token_by_token_and_its_payload_comes_back_byte_for_byte() {
    let bridge = Bridge::start().await;
    let (mut athena, _) = bridge.agent("athena").await;
    let (mut portal, _) = bridge.app("portal").await;
    portal.event("athena", "task:42", PAYLOAD).await;
    let accepted = portal.heard("accepted").await;
    let event = id(&accepted);
    assert!(event.starts_with("evt_") && event.len() == 30, "{event}");
    assert_eq!(
        accepted,
        json!({
            "type": "accepted", "event_id": event, "agent_id": "athena", "status": "accepted",
            "session_key": "relay:athena:portal:task:42", "delivery": "delivered",
        })
    );
    assert_eq!(
        athena.text().await,
        format!(
            r#"{{"type":"event","event_id":"{event}","app_id":"portal","thread_id":"task:42","session_key":"relay:portal:task:42","payload":{PAYLOAD}}}"#
        )
    );
    for text in ["Got", " it\n\u{1f600}"] {
        athena.token(&event, text).await;
        let token = portal.heard("token").await;
        assert_eq!(token, json!({ "type": "token", "event_id": event, "agent_id": "athena", "token": text }));
    }
    let metadata = r#"{ "tokens_used":12,"model":"m","x":1.0 }"#;
    let reply = format!(
        r#"{{"type":"reply","event_id":"{event}","content":"Got it.","done":true,"metadata":{metadata}}}"#
    );
    athena.say(&reply).await;
    assert_eq!(
        portal.text().await,
        format!(
            r#"{{"type":"reply","event_id":"{event}","agent_id":"athena","content":"Got it.","done":true,"metadata":{metadata},"payload":{PAYLOAD}}}"#
        )
    );
}

#[tokio::test]
async fn an_agent_s_error_and_its_older_spellings_arrive() {
    let bridge = Bridge::start().await;
    let (mut athena, _) = bridge.agent("athena").await;
    let (mut portal, _) = bridge.app("portal").await;
    let event = portal.accepted("athena", "t", "1").await;
    athena.heard("event").await;
    athena
        .send(&json!({ "type": "error", "event_id": event, "error": "model failed", "code": "AGENT_ERROR" }))
        .await;
    let error = portal.error("AGENT_ERROR").await;
    assert_eq!((&error["event_id"], &error["error"]), (&json!(event), &json!("model failed")));

    let event = portal.accepted("athena", "t", "2").await;
    athena.heard("event").await;
    athena.send(&json!({ "type": "reply", "event_id": event, "final_reply": "Hi", "tokens_used": 3 })).await;
    let reply = portal.heard("reply").await;
    assert_eq!((&reply["content"], &reply["metadata"]), (&json!("Hi"), &json!({ "tokens_used": 3 })));
}

#[tokio::test]
async fn apps_and_agents_know_each_other_by_pings_and_by_discovery() {
    let bridge = Bridge::limited("heartbeat = \"400ms\"").await;
    let (mut portal, _) = bridge.app("portal").await;
    bridge.add("agents", &json!({ "id": "athena", "name": "Athena", "description": "plans" })).await;
    bridge.add("agents", &json!({ "id": "klyve", "allow": ["studio"] })).await;
    bridge.add("agents", &json!({ "id": "else", "org": "other" })).await;
    portal.say(r#"{"type":"ping"}"#).await;
    assert_eq!(portal.text().await, r#"{"type":"pong"}"#);
    portal.say(r#"{"type":"discover"}"#).await;
    let athena = json!({ "agent_id": "athena", "name": "Athena", "description": "plans" });
    assert_eq!(portal.heard("agents").await, json!({ "type": "agents", "agents": [athena] }));

    let (mut agent, _) = bridge.agent("pinged").await;
    assert!(agent.is_silent(Duration::from_secs(2)).await, "pings are answered by `text`");
    agent.say(r#"{"type":"ping"}"#).await;
    assert_eq!(agent.text().await, r#"{"type":"pong"}"#);
    let (mut silent, _) = bridge.agent("silent").await;
    assert_eq!(silent.ended().await, 4012, "its library's pongs are not its own");
}

#[tokio::test]
async fn what_is_wrong_is_told_and_the_connection_stays() {
    let bridge = Bridge::limited("payload_bytes = 100").await;
    let (mut portal, _) = bridge.app("portal").await;
    bridge.add("agents", &json!({ "id": "klyve", "allow": ["studio"] })).await;
    bridge.add("agents", &json!({ "id": "else", "org": "other" })).await;
    for nonsense in ["{", "[]", "{\"kind\":1}", r#"{"type":"nonsense"}"#, r#"{"type":"event"}"#] {
        portal.say(nonsense).await;
        let error = portal.error("INVALID_MESSAGE").await;
        assert_eq!(error["event_id"], Value::Null, "{error}");
    }
    for (agent, code) in [
        ("nobody", "AGENT_NOT_FOUND"),
        ("else", "AGENT_NOT_FOUND"),
        ("klyve", "NOT_ALLOWED"),
        ("Bad Name", "AGENT_NOT_FOUND"),
    ] {
        portal.event(agent, "t", "1").await;
        assert_eq!(portal.error(code).await["agent_id"], agent);
    }
    portal.event("klyve", "t", &format!("\"{}\"", "x".repeat(99))).await;
    portal.error("PAYLOAD_TOO_LARGE").await;
    portal.say(r#"{"type":"ping"}"#).await;
    portal.heard("pong").await;
}

#[tokio::test]
async fn an_agent_answers_its_own_events_and_each_once() {
    let bridge = Bridge::start().await;
    let (mut athena, _) = bridge.agent("athena").await;
    let (mut klyve, _) = bridge.agent("klyve").await;
    let (mut portal, _) = bridge.app("portal").await;
    let event = portal.accepted("athena", "t", "1").await;
    athena.heard("event").await;
    for frame in [
        json!({ "type": "token", "event_id": event, "token": "mine" }),
        json!({ "type": "reply", "event_id": event, "content": "mine" }),
        json!({ "type": "error", "event_id": event, "error": "mine" }),
        json!({ "type": "ack", "event_id": event }),
    ] {
        klyve.send(&frame).await;
        klyve.error("INVALID_MESSAGE").await;
    }
    assert!(portal.is_silent(A_MOMENT).await);
    let spoofs = bridge.audited("spoof", 4).await;
    assert!(spoofs.iter().any(|entry| entry["event_id"] == event.as_str() && entry["agent_id"] == "klyve"));

    athena.reply(&event, "done").await;
    portal.heard("reply").await;
    athena.reply(&event, "again").await;
    assert_eq!(athena.error("INVALID_MESSAGE").await["event_id"], event);
    athena.token(&event, "more").await;
    athena.error("INVALID_MESSAGE").await;
    assert!(portal.is_silent(A_MOMENT).await);
    let audited = bridge.audited("spoof", 4).await;
    assert_eq!(audited.iter().filter(|entry| entry["what"] == "spoof").count(), 4, "that was none");
}

#[tokio::test]
async fn a_final_answer_is_confirmed_to_an_agent_that_asks() {
    let bridge = Bridge::start().await;
    let (mut athena, _) = bridge.agent("athena").await;
    let (mut portal, _) = bridge.app("portal").await;
    for kind in ["reply", "error"] {
        let event = portal.accepted("athena", "t", "1").await;
        athena.heard("event").await;
        athena
            .send(&json!({ "type": kind, "event_id": event, "content": "x", "error": "x", "confirm": true }))
            .await;
        assert_eq!(athena.frame().await, json!({ "type": "confirmed", "event_id": event }));
        assert_eq!(id(&portal.heard(kind).await), event);
    }
}

#[tokio::test]
async fn one_message_id_is_one_event() {
    let bridge = Bridge::start().await;
    let (mut athena, _) = bridge.agent("athena").await;
    let (mut portal, _) = bridge.app("portal").await;
    let send = |payload: u8| json!({ "type": "event", "agent_id": "athena", "thread_id": "t", "client_msg_id": "m1", "payload": payload });
    portal.send(&send(1)).await;
    let first = portal.heard("accepted").await;
    assert_eq!((&first["client_msg_id"], first.get("duplicate")), (&json!("m1"), None));
    portal.send(&send(1)).await;
    let second = portal.heard("accepted").await;
    assert_eq!((&second["event_id"], &second["duplicate"]), (&first["event_id"], &json!(true)));
    assert_eq!(id(&athena.heard("event").await), id(&first));
    assert!(athena.is_silent(A_MOMENT).await, "one delivery");
    let (mut studio, _) = bridge.app("studio").await;
    studio.send(&send(2)).await;
    assert_ne!(id(&studio.heard("accepted").await), id(&first), "another app's is another");
}

#[tokio::test]
async fn typing_is_for_apps_that_ask_and_an_echo_for_those_that_do_not_refuse() {
    let bridge = Bridge::start().await;
    let (mut athena, _) = bridge.agent("athena").await;
    let token = bridge.add("apps", &json!({ "id": "quiet", "echo_payload": false, "typing": true })).await;
    let mut quiet = bridge.connect("app", &token).await;
    let (mut portal, _) = bridge.app("portal").await;
    for app in [&mut quiet, &mut portal] {
        let event = app.accepted("athena", "t", "[1.0]").await;
        athena.heard("event").await;
        athena.send(&json!({ "type": "typing", "event_id": event, "on": true })).await;
        athena.reply(&event, "done").await;
    }
    assert_eq!(quiet.heard("typing").await["on"], true);
    assert_eq!(quiet.heard("reply").await.get("payload"), None);
    assert_eq!(portal.heard("reply").await["payload"], json!([1.0]));
}

#[tokio::test]
async fn threads_keep_their_order() {
    let bridge = Bridge::start().await;
    let token = bridge.add("agents", &json!({ "id": "athena" })).await;
    let (mut portal, _) = bridge.app("portal").await;
    let mut sent = Vec::new();
    for number in 0..50_u32 {
        portal.event("athena", &format!("t{}", number % 3), &number.to_string()).await;
    }
    for _ in 0..50 {
        sent.push(id(&portal.heard("accepted").await));
    }
    let mut athena: Peer = bridge.connect("agent", &token).await;
    for (number, event) in sent.iter().enumerate() {
        let frame = athena.heard("event").await;
        assert_eq!((&frame["event_id"], &frame["payload"]), (&json!(event), &json!(number)));
        assert_eq!(frame["thread_id"], format!("t{}", number % 3));
    }
}
