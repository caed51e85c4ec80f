//! Heartbeats, bounds, and what a session asks for.

use super::rig::{ALPHA, Asp, BETA, introduce, proposal, say};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tollwire_testkit::feed::Message;

#[tokio::test]
async fn three_missed_pongs_end_a_connection() {
    let asp = Asp::with("store = \"memory:\"", "heartbeat = \"300ms\"\npong_wait = \"100ms\"").await;
    let (alpha, beta, session) = asp.pair().await;
    let begun = Instant::now();
    let (mut a, _) = alpha.connect(&session, None).await;
    let (mut b, _) = beta.connect(&session, None).await;
    let missing = async {
        let mut beats = 0;
        while beats < 3 {
            let Message::Text(text) = a.0.next().await else { panic!("it ended after {beats} heartbeats") };
            let beat: Value = serde_json::from_str(&text).unwrap();
            assert_eq!((&beat["type"], &beat["state"]), (&json!("heartbeat"), &json!("IDLE")));
            assert_eq!(beat["timestamp"].as_str().unwrap().len(), 24);
            beats += 1;
        }
        assert_eq!(a.ended().await, 4012);
        assert!(begun.elapsed() >= Duration::from_millis(950), "{:?}", begun.elapsed());
    };
    let ((), silent) = tokio::join!(missing, b.is_silent(Duration::from_millis(2_500)));
    assert!(silent, "who answers stays");
}

#[tokio::test]
async fn connections_are_bounded_and_old_messages_go() {
    let asp = Asp::with("store = \"memory:\"", "connections = 2\nmessages = 10").await;
    let (alpha, beta, session) = asp.pair().await;
    let (mut a, _) = alpha.connect(&session, None).await;
    let (mut b, _) = beta.connect(&session, None).await;
    let (_second, _) = beta.connect(&session, None).await;
    let mut third = beta.open(&session).await;
    third.send(&beta.auth(&session, None)).await;
    third.error("rate_limited").await;
    assert_eq!(third.ended().await, 4029);
    introduce(&mut a, &mut b).await;
    for number in 4..=25 {
        a.speak("INFORM", json!({"n": number}), None).await;
    }
    let (mut late, ok) = alpha.connect(&session, Some(3)).await;
    assert_eq!(ok["lastSequence"], 25);
    let truncated = late.error("history_truncated").await;
    assert_eq!(truncated["data"]["firstSequence"], 16);
    for number in 16..=25 {
        late.message(number).await;
    }
    drop(late);
    let (mut fitting, _) = alpha.connect(&session, Some(15)).await;
    fitting.message(16).await;
}

#[tokio::test]
async fn who_says_too_much_at_once_is_told_so() {
    let asp = Asp::with("store = \"memory:\"", "sends_per_second = 3").await;
    let (alpha, _, session) = asp.pair().await;
    let (mut a, _) = alpha.connect(&session, None).await;
    for _ in 0..60 {
        a.send(&say("INFORM", json!({}))).await;
    }
    let mut codes = Vec::new();
    for _ in 0..60 {
        codes.push(a.heard("error").await["code"].as_str().unwrap().to_owned());
    }
    assert_eq!(codes[..3], ["invalid_state_transition"; 3]);
    assert!(codes.contains(&"rate_limited".to_owned()), "{codes:?}");
}

#[tokio::test]
async fn what_a_session_asks_for_and_what_http_does() {
    let asp = Asp::start().await;
    let (alpha, beta) = (asp.agent("acme").await, asp.agent("cloudprime").await);
    let gamma = asp.agent("elsewhere").await;
    let constraints =
        json!({"requiredTrustScore": 80, "allowedPerformatives": ["PROPOSE", "ACCEPT", "INFORM", "CLOSE"]});
    let session = alpha.begin(&json!({"participants": [ALPHA, BETA], "constraints": constraints})).await;
    let path = format!("/v1/asp/sessions/{session}");
    let say =
        |performative: &str, body: Value| json!({"performative": performative, "content": {"body": body}});
    let messages = format!("{path}/messages");
    let code = |answer: tollwire_tests::http::Answer| {
        (answer.status.as_u16(), answer.json()["code"].as_str().unwrap_or_default().to_owned())
    };
    let invitation = say("PROPOSE", proposal("inv", "session-invitation"));
    assert_eq!(
        code(alpha.send("POST", &messages, &invitation).await),
        (403, "INSUFFICIENT_TRUST_SCORE".into())
    );
    let said = beta.send("POST", &messages, &invitation).await;
    assert_eq!((said.status.as_u16(), &said.json()["sequenceNumber"]), (201, &json!(1)));
    assert_eq!(
        code(beta.send("POST", &messages, &say("DELEGATE", json!({}))).await),
        (403, "FORBIDDEN_PERFORMATIVE".into())
    );
    assert_eq!(
        code(beta.send("POST", &messages, &say("INFORM", json!({}))).await),
        (409, "INVALID_STATE_TRANSITION".into())
    );
    assert_eq!(code(beta.send("POST", &messages, &json!({})).await), (422, "VALIDATION_ERROR".into()));
    assert_eq!(code(gamma.send("GET", &path, &Value::Null).await), (403, "FORBIDDEN".into()));
    assert_eq!(
        code(alpha.send("GET", "/v1/asp/sessions/ase_x", &Value::Null).await),
        (404, "SESSION_NOT_FOUND".into())
    );
    let view = alpha.send("GET", &path, &Value::Null).await.json();
    assert_eq!((&view["state"], &view["lastSequence"]), (&json!("INVITED"), &json!(1)));
    let closed = beta.send("DELETE", &path, &Value::Null).await.json();
    assert_eq!(closed["state"], "CLOSED");
    assert_eq!(code(beta.send("DELETE", &path, &Value::Null).await), (409, "SESSION_CLOSED".into()));
    let bare = tollwire_tests::http::get(&asp.broker.url(&path), &[]).await;
    assert_eq!(bare.header("www-authenticate"), Some("DPoP algs=\"EdDSA ES256\""));
    assert_eq!(code(bare), (401, "AUTH_REQUIRED".into()));
    for wrong in [
        json!({}),
        json!({"participants": [ALPHA]}),
        json!({"participants": [BETA, BETA]}),
        json!({"participants": [BETA, "agent://operator"]}),
    ] {
        assert_eq!(code(alpha.send("POST", "/v1/asp/sessions", &wrong).await).0, 422, "{wrong}");
    }
}

#[tokio::test]
async fn a_changed_trust_is_told() {
    let asp = Asp::start().await;
    let (alpha, beta, session) = asp.pair().await;
    let (mut a, _) = alpha.connect(&session, None).await;
    let (mut b, _) = beta.connect(&session, None).await;
    asp.trust_beta("60.25").await;
    let told = json!({"type": "trust_update", "agentId": BETA, "score": 60.25, "previous": 91});
    assert_eq!(a.frame().await, told);
    assert_eq!(b.frame().await, told);
    b.speak("PROPOSE", proposal("inv", "session-invitation"), Some("INVITED")).await;
    assert_eq!(a.message(1).await["sender"]["trustScore"], json!(60.25));
}

#[tokio::test]
async fn a_message_that_is_posted_again_is_the_same_and_a_key_that_cannot_be_kept_is_refused() {
    let asp = Asp::with("store = \"memory:\"", "").await;
    let (alpha, _, session) = asp.pair().await;
    let path = format!("/v1/asp/sessions/{session}/messages");
    let envelope = |id: &str| say("PROPOSE", proposal(id, "session-invitation"))["envelope"].clone();
    let invitation = envelope("p1");
    let post = async |keys: &[(&str, &str)], body: &Value| alpha.send_with("POST", &path, keys, body).await;
    let said = post(&[("idempotency-key", "k1")], &invitation).await;
    assert_eq!(said.status, 201, "{}", said.text());
    let again = post(&[("idempotency-key", "k1")], &invitation).await;
    assert_eq!(again.json(), said.json());
    let other = post(&[("idempotency-key", "k1")], &envelope("p2")).await;
    assert_eq!((other.status.as_u16(), other.json()["code"].clone()), (409, json!("IDEMPOTENCY_CONFLICT")));
    let long = "k".repeat(129);
    for keys in [
        vec![("idempotency-key", "")],
        vec![("idempotency-key", long.as_str())],
        vec![("idempotency-key", "k2"), ("idempotency-key", "k3")],
    ] {
        let refused = post(&keys, &invitation).await;
        assert_eq!(refused.status, 422, "{keys:?}");
        assert!(refused.text().contains("Idempotency-Key"), "{}", refused.text());
    }
    assert_eq!(alpha.messages(&session).await.len(), 1);
}
