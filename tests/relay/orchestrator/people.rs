//! People and agents, as the operator registers them, and what people see over HTTP.

use super::rig::{COUNT, Stage, admin};
use serde_json::{Value, json};
use tollwire_tests::broker;
use tollwire_tests::http;

#[tokio::test]
async fn api_keys_are_shown_once_and_end_when_they_are_revoked() {
    let stage = Stage::set().await;
    let config = stage.broker.folder().join("broker.toml");
    let config = config.to_str().unwrap();
    let folder = stage.broker.folder();
    let (status, key, problem) = broker::run(&["person", "add", "eve", "--config", config], folder).await;
    assert!(status.success(), "{problem}");
    let key = key.trim();
    assert!(key.starts_with("rlp_eve_"), "{key}");
    let with = |key: &str| [("x-api-key", key.to_owned())];
    let ask = async |key: &str| {
        let headers = with(key);
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        http::get(&stage.broker.url("/api/sessions"), &headers).await.status.as_u16()
    };
    assert_eq!(ask(key).await, 200);
    assert_eq!(ask("rlp_eve_x").await, 401);
    assert_eq!(http::get(&stage.broker.url("/api/sessions"), &[]).await.status, 401);
    let (_, rotated, _) = broker::run(&["person", "rotate", "eve", "--config", config], folder).await;
    assert_eq!((ask(key).await, ask(rotated.trim()).await), (200, 200), "both work for a while");
    let (_, listed, _) = broker::run(&["person", "list", "--config", config], folder).await;
    assert!(listed.contains("\"eve\"") && !listed.contains("rlp_"), "{listed}");
    let (_, _, _) = broker::run(&["person", "revoke", "eve", "--config", config], folder).await;
    assert_eq!((ask(key).await, ask(rotated.trim()).await), (401, 401));
    assert_eq!(admin(&stage.broker, "POST", "people", &json!({ "id": "eve" })).await.status, 409);
    let stored = std::fs::read(folder.join("broker.db")).unwrap();
    let random = key.rsplit('_').next().unwrap().as_bytes();
    assert!(!stored.windows(random.len()).any(|window| window == random), "a key is kept as it is");
}

#[tokio::test]
async fn sessions_and_settings_are_seen_and_changed_by_their_person() {
    let stage = Stage::set().await;
    let (ada, bob) = (stage.person("ada").await, stage.person("bob").await);
    let (mut talk, session) = ada.connect(&stage.broker).await;
    talk.say(COUNT).await;
    talk.answer().await;
    let listed = ada.ask(&stage.broker, "GET", "/api/sessions", &Value::Null).await.json();
    assert_eq!(listed["sessions"][0]["session_id"], session.id, "{listed}");
    assert_eq!(listed["sessions"][0]["phase"], "CONNECTED");
    assert_eq!(
        bob.ask(&stage.broker, "GET", "/api/sessions", &Value::Null).await.json(),
        json!({ "sessions": [] })
    );
    let defaults = ada.ask(&stage.broker, "GET", "/auth/auto-pay", &Value::Null).await.json();
    assert_eq!(
        defaults,
        json!({ "auto_pay_enabled": false, "auto_pay_max_per_job": "10.00", "auto_pay_max_per_day": "50.00",
                "spent_today": "0.00" })
    );
    let patch = json!({ "auto_pay_enabled": true, "auto_pay_max_per_job": 0.05 });
    let set = ada.ask(&stage.broker, "PATCH", "/auth/auto-pay", &patch).await.json();
    assert_eq!(
        (&set["auto_pay_max_per_job"], &set["auto_pay_max_per_day"]),
        (&json!("0.05"), &json!("50.00"))
    );
    for wrong in [
        json!({ "auto_pay_max_per_job": -1 }),
        json!({ "auto_pay_max_per_day": "0.0000001" }),
        json!({ "x": 1 }),
    ] {
        assert_eq!(ada.ask(&stage.broker, "PATCH", "/auth/auto-pay", &wrong).await.status, 400, "{wrong}");
    }
    let linked = ada.ask(&stage.broker, "PUT", "/auth/account", &json!({ "token": "x" })).await;
    assert_eq!(linked.status, 400, "{linked:?}");
    assert!(!ada.key().is_empty());
}

#[tokio::test]
async fn agents_are_registered_changed_and_removed() {
    let stage = Stage::set().await;
    let body = |slug: &str, more: Value| {
        let mut body = json!({ "slug": slug, "name": "Other" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (more, why) in [
        (json!({}), "one of them"),
        (json!({ "base_url": "http://127.0.0.1:1" }), "allow_private"),
        (json!({ "base_url": "http://169.254.169.254/" }), "allow_private"),
        (json!({ "bridge_agent": "x" }), "at least one"),
        (json!({ "bridge_agent": "x", "actions": [{ "name": "a", "price": "1e3" }] }), "price"),
        (json!({ "base_url": "https://a.example", "pay_to": { "eip155:84532": "me" } }), "not an address"),
        (json!({ "base_url": "https://a.example", "colour": "red" }), "colour"),
    ] {
        let refused = admin(&stage.broker, "POST", "service-agents", &body("other", more)).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        assert!(refused.text().contains(why), "{why}: {}", refused.text());
    }
    let again = body("summarizer", json!({ "base_url": "https://a.example" }));
    assert_eq!(admin(&stage.broker, "POST", "service-agents", &again).await.status, 409);
    let path = "service-agents/summarizer";
    let patched = admin(&stage.broker, "PATCH", path, &json!({ "name": "Abridger" })).await;
    assert_eq!(patched.json()["name"], "Abridger", "{patched:?}");
    let rotated = admin(&stage.broker, "POST", &format!("{path}/rotate"), &Value::Null).await.json();
    assert_ne!(rotated["orchestrator_key"], stage.agent_key.as_str());
    let public = http::get(&stage.broker.url("/api/agents?category=documents&per_page=1"), &[]).await.json();
    assert_eq!((&public["total"], &public["agents"][0]["actions"][0]["price"]), (&json!(1), &json!("0.05")));
    assert!(!public.to_string().contains("127.0.0.1"), "where an agent is, is the operator's to know");
    assert_eq!(http::get(&stage.broker.url("/api/agents?per_page=101"), &[]).await.status, 400);
    assert_eq!(admin(&stage.broker, "DELETE", path, &Value::Null).await.status, 200);
    assert_eq!(http::get(&stage.broker.url("/api/agents/summarizer"), &[]).await.status, 404);
    let person = stage.person("ada").await;
    let (mut talk, _) = person.connect(&stage.broker).await;
    talk.say(COUNT).await;
    assert!(talk.answer().await.contains("nobody"));
}
