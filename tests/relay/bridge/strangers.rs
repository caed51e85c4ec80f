//! Clients that nobody here wrote.

use super::rig::Bridge;
use serde_json::json;
use tollwire_tests::script::Script;

/// Python `websockets` as app and as agent: bytes compared on both sides.
#[tokio::test]
async fn python_websockets_on_both_sides() {
    let bridge = Bridge::limited("heartbeat = \"300ms\"").await;
    let app = bridge.add("apps", &json!({ "id": "portal" })).await;
    let agent = bridge.add("agents", &json!({ "id": "athena" })).await;
    let told = Script::python("relay/bridge/both.py")
        .env("APP_URL", format!("{}?token={app}", bridge.broker.bridge_url("app")))
        .env("AGENT_URL", bridge.broker.bridge_url("agent"))
        .env("AGENT_TOKEN", agent)
        .result()
        .await;
    assert_eq!(
        told,
        json!({ "same_to_agent": true, "same_back": true, "text": "Got it.", "reply": "Got it.", "kept": "later" })
    );
}
