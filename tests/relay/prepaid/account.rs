//! A broker that sells accounts, and an account of it.

use crate::rig::get;
use serde_json::{Value, json};
use tollwire_session::{Algorithm, SigningKey};
use tollwire_tests::agent::Agent;
use tollwire_tests::api::Api;
use tollwire_tests::broker::{Broker, BrokerSettings};
use tollwire_tests::http::{self, Answer};
use tollwire_tests::ws::{Socket, open};

/// The price of a call, in atomic units.
pub(super) const PRICE: u64 = 5_000;

/// What the operator proves itself with.
const ADMIN: &str = "the operator's own token";

/// What brokers of one name sign with, and read.
pub(super) fn secrets() -> Vec<(&'static str, String)> {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    vec![("session-key.pem", key.to_pem().unwrap().as_str().to_owned()), ("admin-token", ADMIN.to_owned())]
}

/// A broker with play money whose API `demo` costs [`PRICE`]; `free` prices itself.
pub(super) fn settings(api: &Api, store: &str, name: &str) -> BrokerSettings {
    BrokerSettings {
        top: format!("store = \"{store}\"\n[[chain]]\nkind = \"dev\"\n"),
        apis: format!(
            "{}{}[token]\nissuer = \"{name}\"\nsigning_key = \"file:session-key.pem\"\n\
             [prepaid]\ndeposits = [\"1\", \"0.1\", \"0.01\"]\n",
            BrokerSettings::api("demo", &api.url(""), "price = \"0.005\""),
            BrokerSettings::api("free", &api.url(""), ""),
        ),
        admin: "token = \"file:admin-token\"".into(),
        ..BrokerSettings::default()
    }
}

pub(super) async fn start(settings: &BrokerSettings, secrets: &[(&'static str, String)]) -> Broker {
    let files: Vec<(&str, &str)> = secrets.iter().map(|(name, text)| (*name, text.as_str())).collect();
    Broker::start_with(settings, &files).await
}

/// A bank of one broker.
pub(super) struct Bank {
    pub(super) api: Api,
    pub(super) broker: Broker,
}

impl Bank {
    pub(super) async fn open() -> Self {
        let api = Api::start().await;
        let broker = start(&settings(&api, "file:broker.db", "bank"), &secrets()).await;
        Self { api, broker }
    }

    /// An account with so many atomic units.
    pub(super) async fn account(&self, units: u64) -> Account {
        Account::buy(&self.broker, units).await
    }
}

/// An account, as its holder has it.
pub(super) struct Account {
    pub(super) agent: Agent,
    pub(super) token: String,
    pub(super) jti: String,
}

impl Account {
    pub(super) async fn buy(broker: &Broker, units: u64) -> Self {
        let agent = Agent::new();
        let bought = agent.buy(&broker.url("/feeds/prepaid/session"), units).await;
        assert_eq!(bought.status, 200, "{bought:?}");
        let bought = bought.json();
        assert_eq!(bought["session"]["unit"], "usdc");
        assert_eq!(bought["session"]["units_remaining"], units);
        assert!(bought["ws_url"].as_str().unwrap().ends_with("/api/ws/relay"), "{bought}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self { agent, token: text(&bought["token"]), jti: text(&bought["session"]["jti"]) }
    }

    /// A socket whose calls it pays for.
    pub(super) async fn socket(&self, broker: &Broker) -> Socket {
        let bearer = format!("Bearer {}", self.token);
        open(&broker.socket_url(), &[("authorization", &bearer)]).await.unwrap()
    }

    /// The call over HTTP.
    pub(super) async fn call(&self, broker: &Broker, path: &str, more: &[(&str, &str)]) -> Answer {
        let mut headers = vec![("tollwire-session", self.token.as_str())];
        headers.extend(more);
        http::get(&broker.url(&format!("/relay/demo{path}")), &headers).await
    }

    /// What is left in it and held by nobody.
    pub(super) async fn remaining(&self, broker: &Broker) -> u64 {
        let bearer = format!("Bearer {}", self.token);
        let view = http::get(&broker.url("/session"), &[("authorization", &bearer)]).await.json();
        view["units_remaining"].as_u64().unwrap_or_else(|| panic!("{view}"))
    }

    /// What the ledger says of it, whose books must balance.
    pub(super) async fn books(&self, broker: &Broker) -> Value {
        let all = admin(broker, "GET", "accounts").await.json();
        let sessions = all["sessions"].as_array().unwrap();
        let ours = sessions.iter().find(|one| one["jti"] == self.jti.as_str()).unwrap().clone();
        let sum = |name: &str| ours[name].as_u64().unwrap_or_else(|| panic!("{name}: {ours}"));
        let parts = ["captured", "held", "remaining", "refunded", "expired"].map(sum);
        assert_eq!(parts.iter().sum::<u64>(), sum("bought"), "{ours}");
        let ledger = admin(broker, "GET", "ledger").await;
        assert_eq!(ledger.json()["balanced"], true, "{ledger:?}");
        ours
    }
}

/// A request of the operator's.
pub(super) async fn admin(broker: &Broker, method: &str, path: &str) -> Answer {
    let bearer = format!("Bearer {ADMIN}");
    let url = broker.admin_url(&format!("/admin/{path}"));
    http::try_send(method.parse().unwrap(), &url, &[("authorization", &bearer)], Vec::new()).await.unwrap()
}

/// The envelope of a GET under a name of its own.
pub(super) fn claimed(id: u64, path: &str, claim: &str) -> Value {
    let mut envelope = get(id, path);
    envelope["params"]["requestHeaders"] = json!({ "Tollwire-Claim": claim });
    envelope
}
