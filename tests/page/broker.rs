//! The broker's page: tokens shown once, allowlists, queues, an event log without a payload.

use crate::rig::{is_sound, look_at};
use serde_json::json;
use tollwire_tests::broker::{Broker, BrokerSettings};
use tollwire_tests::facilitator::ADMIN_TOKEN;
use tollwire_tests::http::get;

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_registers_watches_and_revokes_at_the_broker() {
    let settings = BrokerSettings {
        top: "token_key = \"file:token-key\"\nstore = \"file:./broker.db\"".into(),
        admin: "token = \"file:admin-token\"".into(),
        ..BrokerSettings::default()
    };
    let secrets = [("token-key", "0123456789abcdef0123456789abcdef"), ("admin-token", ADMIN_TOKEN)];
    let broker = Broker::start_with(&settings, &secrets).await;
    let url = broker.admin_url("/");
    let bridge = format!("ws://127.0.0.1:{}", broker.port());
    let seen = look_at("broker", &url, ADMIN_TOKEN).env("BRIDGE_URL", bridge).result().await;
    is_sound(&seen, &url);
    assert_eq!(seen["wide"], json!([]), "nothing is wider than its screen");
    assert_eq!(seen["hostile"], json!({ "text": 1, "title": "Agents · Tollwire broker" }), "names are text");
    assert!(seen["twice"].as_str().unwrap().contains("already"), "{seen}");
    assert_eq!((&seen["payloadShown"], &seen["csv"]["secret"]), (&json!(false), &json!(false)));
    assert_eq!((&seen["replaced"], &seen["revoked"]), (&json!(4009), &json!(4001)));
}

#[tokio::test]
async fn without_a_token_there_is_no_page() {
    let broker = Broker::start(&BrokerSettings::default()).await;
    for path in ["/", "/page/api.js", "/admin/apps"] {
        assert_eq!(get(&broker.admin_url(path), &[]).await.status, 404, "{path}");
    }
    assert_eq!(get(&broker.admin_url("/healthz"), &[]).await.status, 200);
}
