//! kill -9, and a stop in good order.

use super::rig::{Bridge, PAYLOAD, id};
use std::time::Duration;

#[tokio::test]
async fn a_kill_between_acceptance_and_delivery_loses_nothing() {
    let mut bridge = Bridge::start().await;
    let agent = bridge.add("agents", &serde_json::json!({ "id": "athena" })).await;
    let (mut portal, app) = bridge.app("portal").await;
    let mut events = Vec::new();
    for number in 0..20 {
        events.push(portal.accepted("athena", "t", &format!("[{number},{PAYLOAD}]")).await);
    }
    bridge.broker.crash_and_restart().await;
    let mut athena = bridge.connect("agent", &agent).await;
    for (number, event) in events.iter().enumerate() {
        let text = athena.text().await;
        assert!(text.contains(&format!("\"payload\":[{number},{PAYLOAD}]")), "{text}");
        assert!(text.contains(event.as_str()), "{text}");
    }
    // Given and not answered: again after another kill. Answered: the answers are still there for the app.
    for event in events.iter().take(10) {
        athena.reply(event, "done").await;
    }
    bridge.audited("replied", 10).await;
    bridge.broker.crash_and_restart().await;
    let mut athena = bridge.connect("agent", &agent).await;
    let mut portal = bridge.connect("app", &app).await;
    for event in &events[10..] {
        let text = athena.text().await;
        assert!(text.contains(event.as_str()) && text.contains("\"redelivered\":true"), "{text}");
        athena.reply(event, "done").await;
    }
    for (number, event) in events.iter().enumerate() {
        let text = portal.text().await;
        assert!(text.contains(event.as_str()), "in order, each once: {text}");
        assert!(text.ends_with(&format!("\"payload\":[{number},{PAYLOAD}]}}")), "{text}");
    }
    assert!(portal.is_silent(Duration::from_millis(300)).await);
}

#[tokio::test]
async fn a_stop_closes_with_1001_and_keeps_what_waits() {
    let mut bridge = Bridge::start().await;
    let (mut athena, agent) = bridge.agent("athena").await;
    let (mut portal, app) = bridge.app("portal").await;
    let event = portal.accepted("athena", "t", "1").await;
    athena.heard("event").await;
    bridge.broker.signal("TERM").await;
    assert_eq!((athena.ended().await, portal.ended().await), (1001, 1001));
    assert!(bridge.broker.exit(Duration::from_secs(15)).await.success());
    bridge.broker.restart().await;
    let mut athena = bridge.connect("agent", &agent).await;
    assert_eq!(id(&athena.heard("event").await), event);
    athena.reply(&event, "done").await;
    let mut portal = bridge.connect("app", &app).await;
    assert_eq!(id(&portal.heard("reply").await), event);
}
