//! Agents that are not well: left out after too many failures in a row, without anybody asking for them, and taken back.

use super::rig::{COUNT, Stage, admin};
use serde_json::{Value, json};
use std::time::Duration;
use tollwire_tests::http;

/// The agent as everybody sees it, once it stands so.
async fn stands(stage: &Stage, status: &str) -> Value {
    let waiting = async {
        loop {
            let seen = http::get(&stage.broker.url("/api/agents/summarizer"), &[]).await.json();
            if seen["status"] == status {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("it does not come to stand so")
}

async fn suspended(stage: &Stage) -> String {
    let metrics = http::get(&stage.broker.admin_url("/metrics"), &[]).await.text();
    let line = metrics.lines().find(|line| line.starts_with("tollwire_relay_agents_suspended"));
    line.and_then(|line| line.rsplit(' ').next()).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn an_agent_that_is_not_well_is_left_out_and_taken_back_by_itself() {
    let stage = Stage::with("health_every = \"100ms\"\nhealth_failures = 3").await;
    let person = stage.person("ada").await;
    let (mut talk, _) = person.connect(&stage.broker).await;
    let seen = stands(&stage, "active").await;
    assert_eq!((&seen["last_health_status"], &seen["suspended_at"]), (&json!("ok"), &Value::Null), "{seen}");
    stage.helper.is_healthy(false);
    let seen = stands(&stage, "suspended").await;
    assert!(seen["consecutive_health_failures"].as_u64().unwrap() >= 3, "{seen}");
    assert!(seen["suspended_at"].is_string() && seen["last_health_status"] == "unhealthy", "{seen}");
    // The brain is not told of it, and it is not asked what it can do.
    talk.say(COUNT).await;
    assert!(talk.answer().await.contains("nobody"));
    while suspended(&stage).await != "1" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(stage.broker.output().contains("left out"), "the log says so");
    stage.helper.is_healthy(true);
    let seen = stands(&stage, "active").await;
    assert_eq!(seen["consecutive_health_failures"], 0, "{seen}");
    while suspended(&stage).await != "0" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    talk.say(COUNT).await;
    assert_eq!(talk.answer().await, "count: done");
    assert!(stage.helper.invoked().len() == 1, "it was not asked to do anything while it was left out");
}

/// An operator who has changed an agent waits for no turn.
#[tokio::test]
async fn a_change_of_the_operator_s_begins_anew() {
    let stage = Stage::with("health_failures = 1").await;
    stage.helper.is_healthy(false);
    let path = "service-agents/summarizer";
    let changed = admin(&stage.broker, "PATCH", path, &json!({ "name": "Abridger" })).await.json();
    assert_eq!(
        (&changed["status"], &changed["consecutive_health_failures"]),
        (&json!("suspended"), &json!(1))
    );
    stage.helper.is_healthy(true);
    let checks = stage.helper.checks();
    let rotated = admin(&stage.broker, "POST", &format!("{path}/rotate"), &Value::Null).await.json();
    assert_eq!(
        (&rotated["status"], stage.helper.checks()),
        (&json!("suspended"), checks),
        "another key is no change"
    );
    let changed = admin(&stage.broker, "PATCH", path, &json!({ "name": "Abridger" })).await.json();
    assert_eq!((&changed["status"], &changed["last_health_status"]), (&json!("active"), &json!("ok")));
    let listed = admin(&stage.broker, "GET", "service-agents", &Value::Null).await.json();
    assert_eq!(listed["agents"][0]["status"], "active");
}
