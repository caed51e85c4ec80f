//! A broker with a bridge, and the two sides of it.

use serde_json::{Value, json};
use std::time::Duration;
use tollwire_testkit::feed::Message;
use tollwire_tests::broker::{Broker, BrokerSettings};
use tollwire_tests::http::{self, Answer};
use tollwire_tests::ws::{Socket, open};

/// What the operator proves itself with.
const ADMIN: &str = "the operator's own token";

/// JSON that a detour through numbers or maps would change.
pub(super) const PAYLOAD: &str = r#"{ "b":1.0,"a":12345678901234567890123, "x":1e400 }"#;

/// A running broker with a bridge.
pub(super) struct Bridge {
    pub(super) broker: Broker,
}

impl Bridge {
    /// On an embedded store.
    pub(super) async fn start() -> Self {
        Self::with("store = \"file:./broker.db\"", "").await
    }

    /// With lines of `[limits]`.
    pub(super) async fn limited(limits: &str) -> Self {
        Self::with("store = \"file:./broker.db\"", limits).await
    }

    /// With lines at the top, among them the store, and of `[limits]`.
    pub(super) async fn with(top: &str, limits: &str) -> Self {
        let settings = Self::settings(top, limits);
        Self { broker: Broker::start_with(&settings, &Self::secrets()).await }
    }

    /// Secrets as the broker reads them.
    pub(super) fn secrets() -> [(&'static str, &'static str); 2] {
        [("token-key", "0123456789abcdef0123456789abcdef"), ("admin-token", ADMIN)]
    }

    pub(super) fn settings(top: &str, limits: &str) -> BrokerSettings {
        BrokerSettings {
            top: format!("token_key = \"file:token-key\"\n{top}"),
            limits: format!("app_events_per_minute = 100000\napp_events_per_hour = 100000\n{limits}"),
            admin: "token = \"file:admin-token\"".into(),
            ..BrokerSettings::default()
        }
    }

    pub(super) async fn admin(&self, method: &str, path: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {ADMIN}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let body = if body.is_null() { Vec::new() } else { serde_json::to_vec(body).unwrap() };
        let url = self.broker.admin_url(&format!("/admin/{path}"));
        http::try_send(method.parse().unwrap(), &url, &headers, body).await.unwrap()
    }

    /// Registers an app or an agent (`apps`, `agents`); its token.
    pub(super) async fn add(&self, kind: &str, body: &Value) -> String {
        let answer = self.admin("POST", kind, body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["token"].as_str().unwrap().to_owned()
    }

    /// Registers an app and connects it.
    pub(super) async fn app(&self, id: &str) -> (Peer, String) {
        let token = self.add("apps", &json!({ "id": id })).await;
        (self.connect("app", &token).await, token)
    }

    /// Registers an agent and connects it.
    pub(super) async fn agent(&self, id: &str) -> (Peer, String) {
        let token = self.add("agents", &json!({ "id": id })).await;
        (self.connect("agent", &token).await, token)
    }

    /// Connects an app or an agent (`app`, `agent`).
    pub(super) async fn connect(&self, door: &str, token: &str) -> Peer {
        let bearer = format!("Bearer {token}");
        let opened = open(&self.broker.bridge_url(door), &[("authorization", &bearer)]).await;
        Peer(opened.unwrap_or_else(|refused| panic!("{door}: {refused:?}")))
    }

    /// Entries of the audit log, once there are as many of this kind.
    pub(super) async fn audited(&self, what: &str, count: usize) -> Vec<Value> {
        let until = async {
            loop {
                let mut entries: Vec<Value> = Vec::new();
                loop {
                    let after = entries.last().map_or(0, |entry| entry["seq"].as_u64().unwrap());
                    let page = self.admin("GET", &format!("audit?after={after}"), &Value::Null).await.text();
                    if page.is_empty() {
                        break;
                    }
                    entries.extend(page.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
                }
                if entries.iter().filter(|entry| entry["what"] == what).count() >= count {
                    return entries;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(15), until).await.expect("not audited")
    }
}

/// One side of the bridge.
pub(super) struct Peer(pub(super) Socket);

impl Peer {
    pub(super) async fn send(&mut self, frame: &Value) {
        self.say(&frame.to_string()).await;
    }

    pub(super) async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text.to_owned())).await;
    }

    /// The next frame, as text; the broker's own pings are answered.
    pub(super) async fn text(&mut self) -> String {
        loop {
            match self.0.next().await {
                Message::Text(text) if text == r#"{"type":"ping"}"# => self.say(r#"{"type":"pong"}"#).await,
                Message::Text(text) => return text.to_string(),
                other => panic!("not a text frame: {other:?}"),
            }
        }
    }

    pub(super) async fn frame(&mut self) -> Value {
        let text = self.text().await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The next frame, which must be of this type.
    pub(super) async fn heard(&mut self, kind: &str) -> Value {
        let frame = self.frame().await;
        assert_eq!(frame["type"], kind, "{frame}");
        frame
    }

    /// The next frame, which must be an error of this code.
    pub(super) async fn error(&mut self, code: &str) -> Value {
        let frame = self.heard("error").await;
        assert_eq!(frame["code"], code, "{frame}");
        frame
    }

    /// Sends an event to an agent.
    pub(super) async fn event(&mut self, agent: &str, thread: &str, payload: &str) {
        self.say(&format!(
            r#"{{"type":"event","agent_id":"{agent}","thread_id":"{thread}","payload":{payload}}}"#
        ))
        .await;
    }

    /// Sends an event that is accepted; its name.
    pub(super) async fn accepted(&mut self, agent: &str, thread: &str, payload: &str) -> String {
        self.event(agent, thread, payload).await;
        id(&self.heard("accepted").await)
    }

    /// Answers an event.
    pub(super) async fn reply(&mut self, event: &str, content: &str) {
        self.send(&json!({ "type": "reply", "event_id": event, "content": content, "done": true })).await;
    }

    pub(super) async fn token(&mut self, event: &str, text: &str) {
        self.send(&json!({ "type": "token", "event_id": event, "token": text })).await;
    }

    /// Whether nothing comes for a while but pings.
    pub(super) async fn is_silent(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.text()).await.is_err()
    }

    /// The code it ends with.
    pub(super) async fn ended(&mut self) -> u16 {
        self.0.ended_within(Duration::from_secs(20)).await.code
    }
}

/// Which event a frame is about.
pub(super) fn id(frame: &Value) -> String {
    frame["event_id"].as_str().unwrap_or_else(|| panic!("no event: {frame}")).to_owned()
}
