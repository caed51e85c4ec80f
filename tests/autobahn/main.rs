//! RFC 6455 by the reference suite, Autobahn, against the relay-broker's WebSockets and through the facilitator's proxy.
//!
//! `cargo xtask conformance` installs the suite and runs these; they are ignored otherwise, because it needs CPython 2.7.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod echo;
mod suite;

use echo::Echo;
use std::collections::BTreeMap;
use suite::Verdict;
use tollwire_tests::agent::Agent;
use tollwire_tests::broker::{Broker, BrokerSettings};
use tollwire_tests::facilitator::Facilitator;
use tollwire_tests::http;
use tollwire_tests::settings::{Feed, Settings};

/// Cases in which text that is no UTF-8 should be found out before its message is whole. tungstenite, the endpoint in all
/// of these, finds it at the end: not strict, but right.
const LATE_UTF8: [&str; 2] = ["6.4.3", "6.4.4"];

/// Binary messages: the broker speaks none, and says so by 1003.
const BINARY: &str = "1.2.";

/// What nobody would call right.
fn wrong(verdicts: &BTreeMap<String, Verdict>) -> Vec<(&String, &Verdict)> {
    let excused = |case: &str, verdict: &Verdict| {
        LATE_UTF8.contains(&case)
            && (verdict.behavior.as_str(), verdict.close.as_str()) == ("NON-STRICT", "OK")
    };
    verdicts.iter().filter(|(case, verdict)| !verdict.is_fine() && !excused(case, verdict)).collect()
}

/// A broker with a bridge, and the tokens of an app and an agent.
async fn broker() -> (Broker, [String; 2]) {
    const ADMIN: &str = "the operator's own token";
    let settings = BrokerSettings {
        top: "token_key = \"file:token-key\"".into(),
        admin: "token = \"file:admin-token\"".into(),
        ..BrokerSettings::default()
    };
    let secrets = [("token-key", "0123456789abcdef0123456789abcdef"), ("admin-token", ADMIN)];
    let broker = Broker::start_with(&settings, &secrets).await;
    let bearer = format!("Bearer {ADMIN}");
    let mut tokens = [String::new(), String::new()];
    for (kind, token) in ["apps", "agents"].into_iter().zip(&mut tokens) {
        let url = broker.admin_url(&format!("/admin/{kind}"));
        let added =
            http::post(&url, &[("authorization", &bearer)], &serde_json::json!({ "id": "suite" })).await;
        added.json()["token"].as_str().unwrap().clone_into(token);
    }
    (broker, tokens)
}

/// All cases against one of the broker's WebSockets, which answers nonsense with this.
async fn listener(url: &str, answer: &str) {
    let verdicts = suite::run(url, Some(answer)).await;
    let wrong: Vec<_> = wrong(&verdicts)
        .into_iter()
        .filter(|(case, verdict)| !(case.starts_with(BINARY) && verdict.code == Some(1003)))
        .collect();
    assert!(wrong.is_empty(), "{url}: {wrong:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the Autobahn suite: cargo xtask conformance"]
async fn calls() {
    let (broker, _) = broker().await;
    listener(&broker.socket_url(), r#"{"error":{"code":400,"#).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the Autobahn suite: cargo xtask conformance"]
async fn the_bridge() {
    let (broker, [app, agent]) = broker().await;
    for (door, token) in [("app", app), ("agent", agent)] {
        let url = format!("{}?token={token}", broker.bridge_url(door));
        listener(&url, r#"{"type":"error","#).await;
    }
}

/// What the suite finds behind the proxy is what it finds without it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the Autobahn suite: cargo xtask conformance"]
async fn through_the_proxy() {
    let upstream = Echo::start().await;
    let feed = Feed { id: "echo", price: "0.0001", deposit_units: "[1000]", ..Feed::ticks(upstream.url()) };
    // Many cases end their stream at once, as one whose upstream fails does.
    let limits = "failed_opens = 10000".to_owned();
    let facilitator = Facilitator::start(Settings { limits, ..Settings::dev(vec![feed]) }).await;
    let bought = Agent::new().buy(&facilitator.url("/feeds/echo/session"), 100_000).await;
    let token = bought.json()["token"].as_str().unwrap().to_owned();
    let verdicts = suite::run(&facilitator.ws_url(&format!("/feeds/echo/ws?token={token}")), None).await;
    assert_eq!(wrong(&verdicts), [], "through the proxy");
}

/// The suite finds what is wrong: a server that answers late, and not what it should.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the Autobahn suite: cargo xtask conformance"]
async fn what_is_wrong_is_found() {
    let (broker, _) = broker().await;
    let verdicts =
        suite::run_cases(&broker.socket_url(), Some("not what it says"), &["1.1.1", "1.1.2", "2.1"], 3).await;
    let wrong: Vec<&str> = wrong(&verdicts).into_iter().map(|(case, _)| case.as_str()).collect();
    assert_eq!(wrong, ["1.1.1", "1.1.2"]);
}
