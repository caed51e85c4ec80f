//! A broker with an orchestrator, its example brain as a process of its own, an agent, and people.

use super::helper::Helper;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::process::Command;
use tollwire_session::{Algorithm, SigningKey};
use tollwire_testkit::feed::Message;
use tollwire_testkit::process::Process;
use tollwire_tests::agent::Agent;
use tollwire_tests::broker::{Broker, BrokerSettings, binary};
use tollwire_tests::http::{self, Answer};
use tollwire_tests::ws::{Socket, open};

/// What the operator proves itself with.
const ADMIN: &str = "the operator's own token";

/// What the seed says, and the agent understands as `summarize`.
pub(super) const SUMMARIZE: &str = r#"{ "type": "USER_MESSAGE", "data": { "content": "Summarize this article: https://example.com/article" } }"#;

/// What costs nothing.
pub(super) const COUNT: &str = r#"{"type":"USER_MESSAGE","data":{"content":"count the letters"}}"#;

pub(super) const APPROVE: &str = r#"{ "type": "PAYMENT_RESPONSE", "data": { "approved": true } }"#;
pub(super) const DECLINE: &str = r#"{"type":"PAYMENT_RESPONSE","data":{"approved":false}}"#;
pub(super) const CANCEL: &str = r#"{ "type": "CANCEL_SESSION", "data": {} }"#;

/// The price of `summarize`, in atomic units.
pub(super) const PRICE: u64 = 50_000;

/// Secrets of brokers that share a store.
pub(super) fn secrets() -> Vec<(&'static str, String)> {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    vec![
        ("session-key.pem", key.to_pem().unwrap().as_str().to_owned()),
        ("admin-token", ADMIN.to_owned()),
        ("token-key", "0123456789abcdef0123456789abcdef".to_owned()),
    ]
}

/// A broker with play money and prepaid accounts; lines of `[orchestrator]`.
pub(super) fn settings(store: &str, name: &str, more: &str) -> BrokerSettings {
    BrokerSettings {
        top: format!("store = \"{store}\"\ntoken_key = \"file:token-key\"\n[[chain]]\nkind = \"dev\"\n"),
        apis: format!(
            "[token]\nissuer = \"{name}\"\nsigning_key = \"file:session-key.pem\"\n\
             [prepaid]\ndeposits = [\"10\", \"1\", \"0.1\"]\n\
             [orchestrator]\nbrain = \"brain\"\nhealth_cache = \"0s\"\n{more}\n"
        ),
        limits: "app_events_per_minute = 100000\n".into(),
        admin: "token = \"file:admin-token\"".into(),
        ..BrokerSettings::default()
    }
}

pub(super) async fn start(settings: &BrokerSettings, secrets: &[(&'static str, String)]) -> Broker {
    let files: Vec<(&str, &str)> = secrets.iter().map(|(name, text)| (*name, text.as_str())).collect();
    Broker::start_with(settings, &files).await
}

/// The operator's request.
pub(super) async fn admin(broker: &Broker, method: &str, path: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {ADMIN}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let body = if body.is_null() { Vec::new() } else { serde_json::to_vec(body).unwrap() };
    let url = broker.admin_url(&format!("/admin/{path}"));
    http::try_send(method.parse().unwrap(), &url, &headers, body).await.unwrap()
}

/// Registers the brain and runs it.
pub(super) async fn brain(broker: &Broker) -> Process {
    let added = admin(broker, "POST", "agents", &json!({ "id": "brain", "name": "Concierge" })).await;
    assert_eq!(added.status, 201, "{added:?}");
    let token = added.json()["token"].as_str().unwrap().to_owned();
    let mut command = Command::new(binary());
    command.args(["brain", "--url", &broker.bridge_url("agent")]).env("TOLLWIRE_BRAIN_TOKEN", token);
    let mut process = Process::spawn(command).unwrap();
    process.wait_for_line("The brain is at work", Duration::from_secs(20)).await.unwrap();
    let online = async {
        while admin(broker, "GET", "agents/brain", &Value::Null).await.json()["connected"] != 1 {
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), online).await.expect("the brain did not come");
    process
}

/// All of it, on an embedded store.
pub(super) struct Stage {
    pub(super) broker: Broker,
    pub(super) helper: Helper,
    _brain: Process,
    /// `X-Orchestrator-Key`, as it was shown to the operator.
    pub(super) agent_key: String,
}

impl Stage {
    pub(super) async fn set() -> Self {
        Self::with("").await
    }

    /// With lines of `[orchestrator]`.
    pub(super) async fn with(more: &str) -> Self {
        let broker = start(&settings("file:./broker.db", "stage", more), &secrets()).await;
        let (brain, helper) = (brain(&broker).await, Helper::start().await);
        let agent_key = register(&broker, &helper).await;
        Self { broker, helper, _brain: brain, agent_key }
    }

    /// Somebody with an API key.
    pub(super) async fn person(&self, id: &str) -> Person {
        Person::add(&self.broker, id).await
    }
}

/// Registers the helper, whose signed payments go to a wallet; the key that it is shown.
pub(super) async fn register(broker: &Broker, helper: &Helper) -> String {
    let body = json!({
        "slug": "summarizer", "name": "Document Summarizer", "category": "documents",
        "description": "Works on documents and articles", "base_url": helper.url(), "allow_private": true,
        "pay_to": { "eip155:84532": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8" },
    });
    let added = admin(broker, "POST", "service-agents", &body).await;
    assert_eq!(added.status, 201, "{added:?}");
    added.json()["orchestrator_key"].as_str().unwrap().to_owned()
}

/// Somebody who talks to the orchestrator.
pub(super) struct Person {
    key: String,
}

/// A session, as its person has it.
pub(super) struct Opened {
    pub(super) id: String,
    pub(super) token: String,
}

impl Person {
    pub(super) async fn add(broker: &Broker, id: &str) -> Self {
        let added = admin(broker, "POST", "people", &json!({ "id": id })).await;
        assert_eq!(added.status, 201, "{added:?}");
        Self { key: added.json()["token"].as_str().unwrap().to_owned() }
    }

    /// Somebody who has this key.
    pub(super) fn with_key(key: &str) -> Self {
        Self { key: key.to_owned() }
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    pub(super) async fn ask(&self, broker: &Broker, method: &str, path: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {}", self.key);
        let body = if body.is_null() { Vec::new() } else { serde_json::to_vec(body).unwrap() };
        let headers = [("authorization", bearer.as_str())];
        http::try_send(method.parse().unwrap(), &broker.url(path), &headers, body).await.unwrap()
    }

    /// Begins a session.
    pub(super) async fn session(&self, broker: &Broker) -> Opened {
        let begun = self.ask(broker, "POST", "/api/sessions", &Value::Null).await;
        assert_eq!(begun.status, 201, "{begun:?}");
        let begun = begun.json();
        let text = |name: &str| begun[name].as_str().unwrap().to_owned();
        assert!(text("ws_url").ends_with(&format!("/ws/user-agent/{}", text("session_id"))), "{begun}");
        Opened { id: text("session_id"), token: text("token") }
    }

    /// Begins a session and connects to it.
    pub(super) async fn connect(&self, broker: &Broker) -> (Talk, Opened) {
        let session = self.session(broker).await;
        (Talk::open(broker, &session).await, session)
    }

    /// Another token of a session.
    pub(super) async fn again(&self, broker: &Broker, session: &Opened) -> Opened {
        let path = format!("/api/sessions/{}/token", session.id);
        let answer = self.ask(broker, "POST", &path, &Value::Null).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        Opened { id: session.id.clone(), token: answer.json()["token"].as_str().unwrap().to_owned() }
    }

    /// Buys an account of so many atomic units and links it; its token, and the transaction that paid for it.
    pub(super) async fn deposit(&self, broker: &Broker, units: u64) -> (String, String) {
        let bought = Agent::new().buy(&broker.url("/feeds/prepaid/session"), units).await;
        assert_eq!(bought.status, 200, "{bought:?}");
        let settled = bought.decoded("payment-response");
        let token = bought.json()["token"].as_str().unwrap().to_owned();
        let linked = self.ask(broker, "PUT", "/auth/account", &json!({ "token": token })).await;
        assert_eq!(linked.status, 200, "{linked:?}");
        (token, settled["transaction"].as_str().unwrap().to_owned())
    }

    pub(super) async fn balance(&self, broker: &Broker) -> Value {
        self.ask(broker, "GET", "/auth/account", &Value::Null).await.json()["balance_usdc"].clone()
    }

    /// Lets auto-pay pay, so much for a job and a day.
    pub(super) async fn auto_pay(&self, broker: &Broker, per_job: &str, per_day: &str) {
        let body = json!({
            "auto_pay_enabled": true, "auto_pay_max_per_job": per_job, "auto_pay_max_per_day": per_day,
        });
        let set = self.ask(broker, "PATCH", "/auth/auto-pay", &body).await;
        assert_eq!(set.status, 200, "{set:?}");
    }

    pub(super) async fn spent_today(&self, broker: &Broker) -> Value {
        self.ask(broker, "GET", "/auth/auto-pay", &Value::Null).await.json()["spent_today"].clone()
    }
}

/// A session's WebSocket.
pub(super) struct Talk(pub(super) Socket);

/// Where a session is opened.
pub(super) fn url(broker: &Broker, session: &str, token: &str) -> String {
    format!("ws://127.0.0.1:{}/ws/user-agent/{session}?token={token}", broker.port())
}

impl Talk {
    /// A job that costs something, up to its approved payment.
    pub(super) async fn approved(&mut self) {
        self.say(SUMMARIZE).await;
        self.heard("PAYMENT_REQUEST").await;
        self.say(APPROVE).await;
        self.heard("PAYMENT_SUCCESSFUL").await;
    }

    pub(super) async fn open(broker: &Broker, session: &Opened) -> Self {
        Self(open(&url(broker, &session.id, &session.token), &[]).await.unwrap())
    }

    pub(super) async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text.to_owned())).await;
    }

    /// The next frame.
    pub(super) async fn frame(&mut self) -> Value {
        match self.0.next().await {
            Message::Text(text) => {
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
            }
            other => panic!("not a text frame: {other:?}"),
        }
    }

    /// The data of the next frame, which must be of this type.
    pub(super) async fn heard(&mut self, kind: &str) -> Value {
        let frame = self.frame().await;
        assert_eq!(frame["type"], kind, "{frame}");
        frame["data"].clone()
    }

    /// The next frame, which must be an error of this type; its message.
    pub(super) async fn error(&mut self, kind: &str) -> String {
        let data = self.heard("ERROR").await;
        assert_eq!(data["error_type"], kind, "{data}");
        data["message"].as_str().unwrap().to_owned()
    }

    /// The next frame, which must be of an agent; what it says.
    pub(super) async fn answer(&mut self) -> String {
        self.heard("AGENT_MESSAGE").await["content"].as_str().unwrap().to_owned()
    }

    /// Whether nothing comes for a while.
    pub(super) async fn is_silent(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.0.next()).await.is_err()
    }

    /// The code it ends with.
    pub(super) async fn ended(&mut self) -> u16 {
        self.0.ended_within(Duration::from_secs(20)).await.code
    }
}
