//! The seed's own frames, verbatim, and what its server answers; replay, and what is said twice.

use super::rig::{ALPHA, Asp, BETA, commitment, introduce, key, proposal, say};
use serde_json::{Value, json};
use std::time::Duration;
use tollwire_asp::{Head, Verifier};

const SEND: &str = r#"{
"type": "send",
"envelope": {
"performative": "PROPOSE",
"content": {
"body": {
"proposalId": "prop_001",
"type": "terms",
"subject": "GPU compute procurement",
"terms": {
"gpuType": "A100",
"quantity": 4,
"pricePerHour": 3.50
}
}
}
}
}"#;

const COUNTER: &str = r#"{"type":"send","envelope":{"performative":"COUNTER","content":{"body":{
"referenceId": "prop_001",
"rejectionReason": "Price below minimum threshold",
"counterProposalId": "prop_002",
"subject": "Revised GPU compute terms",
"terms": {
"gpuType": "A100",
"quantity": 4,
"pricePerHour": 4.00
},
"final": false
}}}}"#;

#[tokio::test]
async fn the_seed_s_frames_get_the_seed_s_answers() {
    let asp = Asp::start().await;
    let (alpha, beta, session) = asp.pair().await;
    let (mut a, _) = alpha.connect(&session, None).await;
    let (mut b, _) = beta.connect(&session, None).await;
    introduce(&mut a, &mut b).await;
    for number in 4..=42 {
        assert_eq!(b.speak("INFORM", json!({"n": number}), None).await, number);
        a.message(number).await;
    }
    drop(a);

    let mut a = alpha.open(&session).await;
    let auth = alpha.auth(&session, Some(42));
    a.say(&format!(
        "{{\n\"type\": \"auth\",\n\"token\": {},\n\"dpopProof\": {},\n\"lastSequence\": 42\n}}",
        auth["token"], auth["dpopProof"]
    ))
    .await;
    let ok = json!({"type": "auth_ok", "sessionId": session, "state": "CONVERSING", "participants": [ALPHA, BETA], "lastSequence": 42});
    assert_eq!(a.frame().await, ok);
    a.say(SEND).await;
    let ack = a.frame().await;
    assert_eq!((&ack["type"], &ack["sequenceNumber"]), (&json!("ack"), &json!(43)));
    let id: tollwire_asp::MessageId = ack["messageId"].as_str().unwrap().parse().unwrap();
    assert_eq!(ack.as_object().unwrap().len(), 3);

    let proposed = b.message(43).await;
    assert_eq!(proposed["messageId"], id.to_string());
    assert_eq!(proposed["content"]["body"]["terms"]["pricePerHour"], json!(3.5));
    b.say(COUNTER).await;
    b.heard("ack").await;
    let envelope = a.message(44).await;
    assert_eq!((&envelope["version"], &envelope["sessionId"]), (&json!("asp/0.1"), &json!(session)));
    assert_eq!(
        (&envelope["sender"]["agentId"], &envelope["sender"]["orgId"]),
        (&json!(BETA), &json!("org_cloudprime"))
    );
    assert_eq!(envelope["sender"]["trustScore"], json!(91));
    assert!(envelope["sender"]["dpopProof"].as_str().unwrap().starts_with("eyJ"));
    assert_eq!(envelope["integrity"]["previousHash"], proposed["integrity"]["hash"]);
    assert_eq!(envelope["content"]["body"]["final"], json!(false));
    assert_eq!(envelope["timestamp"].as_str().unwrap().len(), 24);

    let (mut again, _) = alpha.connect(&session, Some(42)).await;
    again.message(43).await;
    assert_eq!(again.message(44).await, envelope, "replayed as it was");
    let (mut whole, _) = alpha.connect(&session, None).await;
    let mut verifier = Verifier::new(vec![key()]);
    for number in 1..=44 {
        verifier.next(&whole.message(number).await).unwrap();
    }
    let head =
        alpha.send("GET", &format!("/v1/asp/sessions/{session}"), &Value::Null).await.json()["head"].clone();
    let head = Head { sequence: 44, hash: head["hash"].as_str().unwrap().parse().unwrap() };
    assert_eq!(verifier.finish(Some(head)).unwrap().state.to_string(), "CONVERSING");
    assert_eq!(alpha.messages(&session).await.len(), 44, "over HTTP as well");
}

#[tokio::test]
async fn what_is_not_valid_is_refused_and_the_connection_stays() {
    let asp = Asp::start().await;
    let (alpha, beta, session) = asp.pair().await;
    let (mut a, _) = alpha.connect(&session, None).await;
    let (mut b, _) = beta.connect(&session, None).await;
    a.speak("PROPOSE", proposal("inv", "session-invitation"), Some("INVITED")).await;
    b.message(1).await;
    b.heard("session_state").await;
    a.send(&say("ACCEPT", json!({}))).await;
    a.error("forbidden_performative").await;
    b.speak("ACCEPT", json!({}), Some("INTRODUCED")).await;
    a.message(2).await;
    let moved = a.heard("session_state").await;
    assert_eq!((&moved["state"], &moved["previous"]), (&json!("INTRODUCED"), &json!("INVITED")));
    a.send(&say("COMMIT", commitment("c"))).await;
    let error = json!({"type": "error", "code": "invalid_state_transition", "message": "COMMIT is not valid in the INTRODUCED state"});
    assert_eq!(a.frame().await, error);
    for (frame, code) in [
        (
            json!({"type": "send", "envelope": {"version": "asp/1.0", "performative": "INFORM", "content": {"body": {}}}}),
            "unsupported_version",
        ),
        (
            json!({"type": "send", "envelope": {"performative": "QUERY", "content": {"body": {}}}}),
            "schema_violation",
        ),
        (
            json!({"type": "send", "envelope": {"performative": "INFORM", "content": {"body": {"n": 9_007_199_254_740_993_u64}}}}),
            "schema_violation",
        ),
        (
            json!({"type": "send", "envelope": {"performative": "INFORM", "content": {"body": {}}, "recipient": "agent://nobody"}}),
            "schema_violation",
        ),
        (
            json!({"type": "send", "envelope": {"performative": "INFORM", "content": {"body": {}}, "integrity": {"previousHash": format!("sha256:{}", "0".repeat(64))}}}),
            "hash_chain_error",
        ),
        (json!({"type": "shout"}), "invalid_frame"),
    ] {
        a.send(&frame).await;
        a.error(code).await;
    }
    a.say("{").await;
    a.error("invalid_frame").await;
    a.say(&format!(r#"{{"type":"send","envelope":{{"x":"{}"}}}}"#, "x".repeat(300 * 1024))).await;
    a.error("payload_too_large").await;
    a.speak("CLOSE", json!({}), Some("CLOSED")).await;
    a.send(&say("INFORM", json!({}))).await;
    a.error("session_closed").await;
    assert_eq!(a.ended().await, 1000);
    let (mut late, ok) = beta.connect(&session, None).await;
    assert_eq!(ok["state"], "CLOSED");
    for number in 1..=3 {
        late.message(number).await;
    }
    assert_eq!(late.ended().await, 1000);
}

#[tokio::test]
async fn an_id_makes_a_message_the_same_one_after_a_crash_too() {
    let mut asp = Asp::start().await;
    let (alpha, beta, session) = asp.pair().await;
    let (mut a, _) = alpha.connect(&session, None).await;
    let (mut b, _) = beta.connect(&session, None).await;
    introduce(&mut a, &mut b).await;
    let with_id = |n: u32| json!({"type": "send", "id": "m1", "envelope": {"performative": "INFORM", "content": {"body": {"n": n}}}});
    a.send(&with_id(1)).await;
    let first = a.heard("ack").await;
    assert_eq!((&first["id"], &first["sequenceNumber"]), (&json!("m1"), &json!(4)));
    a.send(&with_id(1)).await;
    assert_eq!(a.heard("ack").await, first);
    a.send(&with_id(2)).await;
    a.error("idempotency_conflict").await;
    b.send(&with_id(2)).await;
    b.message(4).await;
    assert_eq!(b.heard("ack").await["sequenceNumber"], 5, "another's id");
    asp.broker.crash_and_restart().await;
    let (mut a, ok) = alpha.connect(&session, Some(3)).await;
    assert_eq!((&ok["lastSequence"], &ok["state"]), (&json!(5), &json!("CONVERSING")));
    a.send(&with_id(1)).await;
    let mut acked = None;
    let mut numbers = Vec::new();
    for _ in 0..3 {
        let frame = a.frame().await;
        match frame["type"].as_str().unwrap() {
            "ack" => acked = Some(frame),
            _ => numbers.push(frame["envelope"]["sequenceNumber"].as_u64().unwrap()),
        }
    }
    assert_eq!((acked.unwrap(), numbers), (first, vec![4, 5]));
    assert!(a.is_silent(Duration::from_millis(200)).await);
}

#[tokio::test]
async fn the_sender_s_other_connections_hear_it_too() {
    let asp = Asp::start().await;
    let (alpha, _, session) = asp.pair().await;
    let (mut one, _) = alpha.connect(&session, None).await;
    let (mut other, _) = alpha.connect(&session, None).await;
    one.speak("PROPOSE", proposal("inv", "session-invitation"), Some("INVITED")).await;
    other.message(1).await;
    assert_eq!(other.heard("session_state").await["state"], "INVITED");
    assert!(one.is_silent(Duration::from_millis(200)).await, "its own was acked");
}
