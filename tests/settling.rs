//! `/settle` for other people's servers, when the chain is slow, a node dies, or there are two of them.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use serde_json::{Value, json};
use tollwire_testkit::evm::Anvil;
use tollwire_testkit::redis::RedisServer;
use tollwire_tests::agent::Agent;
use tollwire_tests::facilitator::Facilitator;
use tollwire_tests::http::{Answer, get, post};
use tollwire_tests::settings::{ANVIL_KEY, Chain, PROVIDER, Settings, Store};

/// What a payer has at first, and pays, in atomic USDC.
const FUNDS: u64 = 1_000_000;
const PRICE: u64 = 5_000;

async fn chain(agent: &Agent) -> Anvil {
    let anvil = Anvil::start(8453).await.unwrap();
    anvil.mint(&agent.address(), FUNDS).await.unwrap();
    anvil
}

fn settings(anvil: &Anvil, more: &str) -> Settings {
    Settings {
        chain: Chain::Evm { network: "eip155:8453", rpc_url: anvil.url(), settlement_key: ANVIL_KEY.into() },
        top: format!("[facilitator]\npay_to = [\"{PROVIDER}\"]\n{more}"),
        limits: "settlement_wait = \"1s\"\n".into(),
        ..Settings::dev(vec![])
    }
}

/// A request about a new payment, with an identifier of its own.
fn request(anvil: &Anvil, agent: &Agent, identifier: &str) -> Value {
    let offer = json!({
        "scheme": "exact", "network": "eip155:8453", "amount": PRICE.to_string(), "asset": anvil.usdc(),
        "payTo": PROVIDER, "maxTimeoutSeconds": 120, "extra": { "name": "USD Coin", "version": "2" },
    });
    json!({
        "x402Version": 2,
        "paymentPayload": {
            "x402Version": 2, "accepted": offer, "payload": agent.sign(&Agent::terms(&offer)),
            "extensions": { "payment-identifier": { "info": { "required": true, "id": identifier } } },
        },
        "paymentRequirements": offer,
    })
}

async fn settle(node: &Facilitator, request: &Value) -> Answer {
    post(&node.url("/settle"), &[], request).await
}

async fn status(node: &Facilitator, tx: &str) -> Value {
    get(&node.url(&format!("/settle/eip155:8453/{tx}")), &[]).await.json()
}

#[tokio::test]
async fn a_settlement_in_doubt_survives_its_node_and_keeps_its_transaction() {
    let agent = Agent::new();
    let anvil = chain(&agent).await;
    let mut node = Facilitator::start(settings(&anvil, "")).await;
    let payment = request(&anvil, &agent, "weather-of-2026-11-26");
    anvil.set_automine(false).await.unwrap();
    let pending = settle(&node, &payment).await.json();
    assert_eq!((&pending["success"], &pending["errorReason"]), (&json!(false), &json!("settlement_pending")));
    let tx = pending["transaction"].as_str().unwrap().to_owned();
    assert_eq!(status(&node, &tx).await["status"], "pending");

    node.crash_and_restart().await;
    let found = status(&node, &tx).await;
    assert_eq!((&found["status"], &found["payments"][0]["transaction"]), (&json!("pending"), &json!(tx)));
    let again = settle(&node, &payment).await.json();
    assert_eq!((&again["errorReason"], &again["transaction"]), (&json!("settlement_pending"), &json!(tx)));
    let other = settle(&node, &request(&anvil, &agent, "weather-of-2026-11-26")).await;
    assert_eq!((other.status.as_u16(), &other.json()["success"]), (409, &json!(false)));

    anvil.set_automine(true).await.unwrap();
    anvil.mine(1).await.unwrap();
    let settled = loop {
        let answer = settle(&node, &payment).await.json();
        if answer["errorReason"] != "settlement_pending" {
            break answer;
        }
    };
    assert_eq!((&settled["success"], &settled["transaction"]), (&json!(true), &json!(tx)), "{settled}");
    let found = status(&node, &tx).await;
    assert_eq!(
        (&found["status"], &found["payments"][0]["payer"]),
        (&json!("settled"), &json!(agent.address()))
    );
    assert_eq!(anvil.transfers_to(PROVIDER).await.unwrap().len(), 1);
    let nothing = get(&node.url("/settle/eip155:8453/0xab"), &[]).await;
    assert_eq!((nothing.status.as_u16(), &nothing.json()["status"]), (404, &json!("unknown")));
}

#[tokio::test]
async fn two_nodes_on_one_redis_share_quotas_identifiers_and_what_they_know() {
    let (agent, redis) = (Agent::new(), RedisServer::start().await.unwrap());
    let anvil = chain(&agent).await;
    let quota = "[facilitator.limits]\nsettles_per_day = 2\ngas_per_day = \"100\"\nminimum = \"0.001\"\n";
    let settings = Settings { store: Store::Redis(redis.url()), ..settings(&anvil, quota) };
    let first = Facilitator::start(settings.clone()).await;
    let second = Facilitator::start_beside(&first, settings).await;
    let payment = request(&anvil, &agent, "order-0000000001");
    let settled = settle(&first, &payment).await.json();
    assert_eq!(settled["success"], true, "{settled}");
    assert_eq!(settle(&second, &payment).await.json(), settled, "the same answer, not another settlement");
    let tx = settled["transaction"].as_str().unwrap();
    assert_eq!(status(&second, tx).await["status"], "settled");
    let taken = settle(&second, &request(&anvil, &agent, "order-0000000001")).await;
    assert_eq!(taken.json()["errorReason"], "payment_identifier_conflict");
    let next = settle(&second, &request(&anvil, &agent, "order-0000000002")).await.json();
    assert_eq!(next["success"], true, "{next}");
    let over = settle(&first, &request(&anvil, &agent, "order-0000000003")).await;
    assert_eq!((over.status.as_u16(), &over.json()["errorReason"]), (429, &json!("quota_exhausted")));
    let wait: u64 = over.header("retry-after").unwrap().parse().unwrap();
    assert!((86_300..=86_400).contains(&wait), "{wait}");
    assert_eq!(anvil.transfers_to(PROVIDER).await.unwrap().len(), 2);
}
