//! What the operator does about a session is a message of it, and only where it is meant.

use super::rig::{Asp, Peer, commitment, introduce, key};
use serde_json::{Value, json};
use tollwire_asp::Verifier;

async fn heard(peers: [&mut Peer; 2], number: u64, state: &str) -> Value {
    let mut said = Value::Null;
    for peer in peers {
        said = peer.message(number).await;
        assert_eq!(peer.heard("session_state").await["state"], state);
    }
    said
}

#[tokio::test]
async fn an_escalation_is_taken_back_and_a_breach_is_the_end() {
    let asp = Asp::start().await;
    let (alpha, beta, session) = asp.pair().await;
    let (mut a, _) = alpha.connect(&session, None).await;
    let (mut b, _) = beta.connect(&session, None).await;
    let path = |act: &str| format!("sessions/{session}{act}");
    let acted = async |act: &str, body: Value| {
        let answer = asp.operate("POST", &path(act), &body).await;
        (answer.status.as_u16(), answer.json()["state"].as_str().unwrap_or_default().to_owned())
    };
    introduce(&mut a, &mut b).await;
    assert_eq!(acted("/resume", Value::Null).await.0, 409, "nothing was escalated");
    a.speak("ESCALATE", json!({}), Some("ESCALATED")).await;
    b.message(4).await;
    b.heard("session_state").await;
    assert_eq!(acted("/breach", Value::Null).await.0, 409, "nobody is bound");
    assert_eq!(acted("/resume", json!({"note": "looked at"})).await, (200, "CONVERSING".into()));
    let said = heard([&mut a, &mut b], 5, "CONVERSING").await;
    assert_eq!(said["sender"]["agentId"], "agent://operator");
    assert_eq!(said["content"]["body"], json!({"action": "resume", "note": "looked at"}));
    assert_eq!(acted("/resume", Value::Null).await.0, 409, "once");

    a.speak("COMMIT", commitment("c"), Some("AGREEING")).await;
    b.message(6).await;
    b.heard("session_state").await;
    b.speak("ACCEPT", json!({}), Some("EXECUTING")).await;
    a.message(7).await;
    a.heard("session_state").await;
    assert_eq!(acted("/resume", Value::Null).await.0, 409, "a word too late breaks nothing");
    assert_eq!(asp.operate("GET", &path(""), &Value::Null).await.json()["state"], "EXECUTING");
    assert_eq!(acted("/breach", json!({"note": "never delivered"})).await, (200, "FAILED".into()));
    heard([&mut a, &mut b], 8, "FAILED").await;
    assert_eq!(acted("/breach", Value::Null).await.0, 409);
    assert_eq!((a.ended().await, b.ended().await), (1000, 1000));

    let mut verifier = Verifier::new(vec![key()]);
    alpha.messages(&session).await.iter().for_each(|message| verifier.next(message).unwrap());
    let report = verifier.finish(None).unwrap();
    assert_eq!((report.head.sequence, report.state.to_string().as_str()), (8, "FAILED"));
}

#[tokio::test]
async fn an_operator_needs_the_token_and_says_what_is_known() {
    let asp = Asp::start().await;
    let (alpha, _, session) = asp.pair().await;
    let url = asp.broker.admin_url(&format!("/admin/asp/sessions/{session}/resume"));
    assert_eq!(tollwire_tests::http::post(&url, &[], &json!({})).await.status, 401);
    for (method, path, body, status) in [
        ("GET", "sessions/ase_nobody".to_owned(), Value::Null, 404),
        ("POST", "sessions/ase_nobody/resume".to_owned(), Value::Null, 404),
        ("POST", format!("sessions/{session}"), Value::Null, 405),
        ("GET", format!("sessions/{session}/resume"), Value::Null, 405),
        ("POST", format!("sessions/{session}/resume"), json!({"notes": ""}), 422),
        ("POST", format!("sessions/{session}/breach"), json!({"note": "x".repeat(5_000)}), 422),
        ("POST", format!("sessions/{session}/other"), Value::Null, 404),
        ("GET", "elsewhere".to_owned(), Value::Null, 404),
    ] {
        assert_eq!(asp.operate(method, &path, &body).await.status, status, "{method} {path}");
    }
    let view = alpha.send("GET", &format!("/v1/asp/sessions/{session}"), &Value::Null).await.json();
    assert_eq!(view["lastSequence"], 0);
}

#[tokio::test]
async fn an_operator_sees_who_negotiates_and_not_what_is_said() {
    let asp = Asp::start().await;
    let listed = async || {
        let answer = asp.operate("GET", "sessions", &Value::Null).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(!answer.text().contains("GPU compute procurement"), "what is said is on no list");
        answer.json()["sessions"].as_array().unwrap().clone()
    };
    assert!(listed().await.is_empty());
    let (alpha, beta, first) = asp.pair().await;
    let second = alpha.begin(&json!({"participants": [super::rig::ALPHA, super::rig::GAMMA]})).await;
    let (mut a, _) = alpha.connect(&first, None).await;
    let (mut b, _) = beta.connect(&first, None).await;
    introduce(&mut a, &mut b).await;
    drop(b);
    let all = loop {
        let all = listed().await;
        if all[1]["connected"] == json!([super::rig::ALPHA]) {
            break all;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!((&all[0]["sessionId"], &all[1]["sessionId"]), (&json!(second), &json!(first)), "newest first");
    assert_eq!((&all[0]["state"], &all[1]["state"]), (&json!("IDLE"), &json!("CONVERSING")));
    assert_eq!(all[0]["connected"], json!([]));
    let one = asp.operate("GET", &format!("sessions/{first}"), &Value::Null).await.json();
    assert_eq!(all[1]["head"], one["head"]);
    assert_eq!(all[1]["head"]["sequenceNumber"], 3);
    let last = alpha.messages(&first).await.pop().unwrap();
    assert_eq!(
        (&all[1]["updatedAt"], &all[1]["head"]["hash"]),
        (&last["timestamp"], &last["integrity"]["hash"])
    );
    assert_eq!(asp.operate("POST", "sessions", &Value::Null).await.status, 405);
}
