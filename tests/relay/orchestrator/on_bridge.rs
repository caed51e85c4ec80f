//! Agents on the bridge: asked by an event, and through kill -9 by one event.

use super::rig::{Stage, admin};
use serde_json::{Value, json};
use std::time::Duration;
use tollwire_testkit::feed::Message;
use tollwire_tests::broker::Broker;
use tollwire_tests::ws::{Socket, open};

const TRANSLATE: &str = r#"{"type":"USER_MESSAGE","data":{"content":"translate these words"}}"#;

/// An agent of the bridge, by hand.
struct Worker(Socket);

impl Worker {
    async fn connect(broker: &Broker, token: &str) -> Self {
        let bearer = format!("Bearer {token}");
        let opening = async {
            loop {
                if let Ok(socket) = open(&broker.bridge_url("agent"), &[("authorization", &bearer)]).await {
                    return Self(socket);
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), opening).await.expect("not let in")
    }

    /// The next event; pings are answered.
    async fn event(&mut self) -> Value {
        loop {
            let Message::Text(text) = self.0.next().await else { panic!("not a text frame") };
            let frame: Value = serde_json::from_str(&text).unwrap();
            match frame["type"].as_str().unwrap() {
                "ping" => self.0.send(Message::text(r#"{"type":"pong"}"#)).await,
                "event" => return frame,
                _ => panic!("{frame}"),
            }
        }
    }

    async fn reply(&mut self, event: &Value, content: &Value) {
        let frame =
            json!({ "type": "reply", "event_id": event["event_id"], "content": content, "done": true });
        self.0.send(Message::text(frame.to_string())).await;
    }
}

/// Registers the worker for the orchestrator alone; its token.
async fn hire(stage: &Stage) -> String {
    let agent = json!({ "id": "worker", "allow": ["orchestrator"] });
    let added = admin(&stage.broker, "POST", "agents", &agent).await;
    assert_eq!(added.status, 201, "{added:?}");
    let service = json!({
        "slug": "worker", "name": "Worker", "bridge_agent": "worker",
        "actions": [{ "name": "translate", "description": "Translate a text", "price": "0.05" }],
    });
    assert_eq!(admin(&stage.broker, "POST", "service-agents", &service).await.status, 201);
    added.json()["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_agent_of_the_bridge_works_for_people() {
    let stage = Stage::set().await;
    let token = hire(&stage).await;
    let person = stage.person("ada").await;
    person.deposit(&stage.broker, 1_000_000).await;
    person.auto_pay(&stage.broker, "1", "1").await;
    let (mut talk, session) = person.connect(&stage.broker).await;
    talk.say(TRANSLATE).await;
    talk.error("agent_unavailable").await;
    let mut worker = Worker::connect(&stage.broker, &token).await;
    for (content, said, balance) in [
        (json!({ "ok": true, "output": "mots" }), "mots", "0.95"),
        (json!("mots encore"), "mots encore", "0.90"),
        (json!({ "ok": false, "error": "no words" }), "no words", "0.90"),
    ] {
        talk.say(TRANSLATE).await;
        talk.heard("PAYMENT_SUCCESSFUL").await;
        let event = worker.event().await;
        assert_eq!((&event["app_id"], &event["thread_id"]), (&json!("orchestrator"), &json!(session.id)));
        let asked = &event["payload"];
        assert_eq!((&asked["type"], &asked["command"]), (&json!("invoke"), &json!("translate")), "{asked}");
        worker.reply(&event, &content).await;
        assert!(talk.answer().await.contains(said));
        assert_eq!(person.balance(&stage.broker).await, balance);
    }
}

#[tokio::test]
async fn through_a_kill_it_is_one_event_and_one_charge() {
    let mut stage = Stage::set().await;
    let token = hire(&stage).await;
    let person = stage.person("ada").await;
    person.deposit(&stage.broker, 1_000_000).await;
    person.auto_pay(&stage.broker, "1", "1").await;
    let mut worker = Worker::connect(&stage.broker, &token).await;
    let (mut talk, session) = person.connect(&stage.broker).await;
    talk.say(TRANSLATE).await;
    talk.heard("PAYMENT_SUCCESSFUL").await;
    let event = worker.event().await;
    stage.broker.crash_and_restart().await;
    let mut worker = Worker::connect(&stage.broker, &token).await;
    let again = worker.event().await;
    assert_eq!(again["event_id"], event["event_id"], "the same one");
    worker.reply(&again, &json!({ "ok": true, "output": "mots" })).await;
    let again = person.again(&stage.broker, &session).await;
    let mut talk = super::rig::Talk::open(&stage.broker, &again).await;
    let mut frame = talk.frame().await;
    if frame["type"] == "PAYMENT_SUCCESSFUL" {
        frame = talk.frame().await;
    }
    assert_eq!(frame["data"]["content"], "mots", "{frame}");
    assert_eq!(person.balance(&stage.broker).await, "0.95");
    assert_eq!(person.spent_today(&stage.broker).await, "0.05");
    let quiet = tokio::time::timeout(Duration::from_millis(500), worker.event()).await;
    assert!(quiet.is_err(), "asked a second time");
}
