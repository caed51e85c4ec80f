//! Messages by their names, how much may be said over HTTP, and agents by what they can do.

use super::rig::{ALPHA, Asp, BETA, GAMMA, introduce, proposal, say};
use serde_json::{Value, json};
use std::time::Duration;
use tollwire_tests::http::Answer;

fn code(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.json()["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn each_message_is_found_by_its_name() {
    let asp = Asp::with("store = \"memory:\"", "messages = 60").await;
    let (alpha, beta, session) = asp.pair().await;
    let gamma = asp.agent("elsewhere").await;
    let (mut a, _) = alpha.connect(&session, None).await;
    let (mut b, _) = beta.connect(&session, None).await;
    introduce(&mut a, &mut b).await;
    let first = alpha.messages(&session).await.remove(0);
    // Some within one millisecond, some not; three of them push the first ones out.
    for number in 4..=63 {
        a.send(&say("INFORM", json!({"n": number}))).await;
        if number % 20 == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    for _ in 4..=63 {
        a.heard("ack").await;
    }
    let path = |name: &str| format!("/v1/asp/sessions/{session}/messages/{name}");
    let all = alpha.messages(&session).await;
    assert_eq!(all.len(), 60);
    for message in &all {
        let found = beta.send("GET", &path(message["messageId"].as_str().unwrap()), &Value::Null).await;
        assert_eq!((found.status.as_u16(), &found.json()), (200, message));
        assert_eq!(found.header("content-type"), Some("application/asp+json"));
    }
    let known = all[7]["messageId"].as_str().unwrap();
    let other = format!("{}{}", &known[..35], if known.ends_with('0') { '1' } else { '0' });
    let old = first["messageId"].as_str().unwrap();
    for name in
        [&other, old, "019526a1-8f2a-7000-8000-000000000047", "ffffffff-ffff-7fff-bfff-ffffffffffff", "x", ""]
    {
        let found = beta.send("GET", &path(name), &Value::Null).await;
        assert_eq!(code(&found), (404, "MESSAGE_NOT_FOUND".into()), "{name}");
    }
    assert_eq!(code(&gamma.send("GET", &path(known), &Value::Null).await), (403, "FORBIDDEN".into()));
    assert_eq!(alpha.send("POST", &path(known), &json!({})).await.status, 405);
    let empty = alpha.begin(&json!({"participants": [BETA]})).await;
    let nothing =
        alpha.send("GET", &format!("/v1/asp/sessions/{empty}/messages/{known}"), &Value::Null).await;
    assert_eq!(code(&nothing), (404, "MESSAGE_NOT_FOUND".into()));
}

#[tokio::test]
async fn http_is_no_way_around_the_rate() {
    let asp = Asp::with("store = \"memory:\"", "sends_per_second = 3").await;
    let (alpha, beta, session) = asp.pair().await;
    let path = format!("/v1/asp/sessions/{session}/messages");
    let said = json!({"performative": "PROPOSE", "content": {"body": proposal("inv", "session-invitation")}});
    let mut limited = Vec::new();
    for _ in 0..30 {
        let answer = alpha.send("POST", &path, &said).await;
        if answer.status == 429 {
            assert_eq!((code(&answer).1.as_str(), answer.header("retry-after")), ("RATE_LIMITED", Some("1")));
            limited.push(answer);
        }
    }
    assert!(!limited.is_empty());
    assert_eq!(alpha.send("GET", &path, &Value::Null).await.status, 200, "what is only looked at is free");
    assert_ne!(beta.send("POST", &path, &json!({})).await.status, 429, "another client has its own");
}

#[tokio::test]
async fn agents_are_found_by_what_they_can_do() {
    let asp = Asp::start().await;
    let alpha = asp.agent("acme").await;
    let found = async |query: &str| {
        let answer = alpha.send("GET", &format!("/v1/asp/discover{query}"), &Value::Null).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let agents = answer.json()["agents"].clone();
        let name = |card: &Value| card["agentId"].as_str().unwrap().to_owned();
        (agents.as_array().unwrap().iter().map(name).collect::<Vec<_>>(), answer.json()["nextCursor"].clone())
    };
    let all = [BETA.to_owned(), GAMMA.to_owned()];
    assert_eq!(found("").await, (all.to_vec(), Value::Null), "alpha does not say what it can do");
    assert_eq!(found("?capability=gpu.compute").await.0, all);
    assert_eq!(found("?capability=storage").await.0, [BETA]);
    assert_eq!(found("?capability=gpu.compute&min_trust=90.5").await.0, [BETA]);
    assert!(found("?capability=gpu").await.0.is_empty());
    assert!(found("?min_trust=100").await.0.is_empty());
    assert_eq!(found("?limit=1").await, (vec![BETA.to_owned()], json!(BETA)));
    assert_eq!(found("?limit=1&cursor=agent%3A%2F%2Fcloudprime.io%2Fgpu%2Fbeta").await.0, [GAMMA]);
    let wrong = alpha.send("GET", "/v1/asp/discover?min_trust=most", &Value::Null).await;
    assert_eq!(code(&wrong), (422, "VALIDATION_ERROR".into()));

    let path = |name: &str| format!("/v1/asp/agents/{}/card", name.replace(':', "%3A").replace('/', "%2F"));
    let card = alpha.send("GET", &path(BETA), &Value::Null).await.json();
    let expected = json!({
        "agentId": BETA, "orgId": "org_cloudprime", "name": "Beta", "description": "Sells GPUs",
        "capabilities": ["gpu.compute", "storage"], "trustScore": 91, "version": "asp/0.1",
        "bindings": ["websocket", "http", "sse"], "sessions": asp.broker.url("/v1/asp/sessions"),
    });
    assert_eq!(card, expected);
    for name in [ALPHA, "agent://nobody", "agent://operator", "x"] {
        let none = alpha.send("GET", &path(name), &Value::Null).await;
        assert_eq!(code(&none), (404, "AGENT_NOT_FOUND".into()), "{name}");
    }
    let url = asp.broker.url("/v1/asp/discover");
    assert_eq!(code(&tollwire_tests::http::get(&url, &[]).await), (401, "AUTH_REQUIRED".into()));
    // A changed file is read again.
    asp.trust_beta("60").await;
    let trusted = async || found("?min_trust=70").await.0.is_empty();
    for _ in 0..50 {
        if trusted().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("beta is still trusted as before");
}
