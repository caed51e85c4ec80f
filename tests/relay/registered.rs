//! APIs that are registered while the broker runs.

use crate::priced::shop::{address, collect, facilitator, payment};
use crate::rig::{ask, code, get};
use serde_json::{Value, json};
use std::time::Duration;
use tollwire_testkit::evm::Anvil;
use tollwire_testkit::redis::RedisServer;
use tollwire_tests::agent::Agent;
use tollwire_tests::api::Api;
use tollwire_tests::broker::{Broker, BrokerSettings};
use tollwire_tests::http::{Answer, get as get_http, post, try_send};
use tollwire_tests::settings::{ANVIL_ADDRESS, ANVIL_KEY, PROVIDER};
use tollwire_tests::ws::open;

const TOKEN: &str = "admin-token-of-the-tests-0123456789";

fn settings(store: &str, more: &str) -> BrokerSettings {
    BrokerSettings {
        top: format!("store = \"{store}\"\n{more}"),
        admin: "token = \"file:admin-token\"".into(),
        ..BrokerSettings::default()
    }
}

async fn start(settings: &BrokerSettings) -> Broker {
    Broker::start_with(settings, &[("admin-token", TOKEN)]).await
}

async fn admin(broker: &Broker, method: &str, path: &str, body: &Value) -> Answer {
    let url = broker.admin_url(path);
    let (method, bearer) = (method.parse().unwrap(), format!("Bearer {TOKEN}"));
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    try_send(method, &url, &headers, body.to_string()).await.unwrap()
}

#[tokio::test]
async fn an_api_comes_changes_goes_and_is_kept() {
    let api = Api::start().await;
    let mut broker = start(&settings("file:broker.db", "[[chain]]\nkind = \"dev\"\n")).await;
    let url = broker.url("/relay/demo/slow?1");
    assert_eq!(get_http(&url, &[]).await.status, 404);
    let demo = json!({ "id": "demo", "base_url": api.url(""), "allow_private": true });
    assert_eq!(post(&broker.admin_url("/admin/apis"), &[], &demo).await.status, 401);
    let added = admin(&broker, "POST", "/admin/apis", &demo).await;
    assert_eq!((added.status.as_u16(), &added.json()["origin"]), (201, &json!("admin")), "{added:?}");
    assert_eq!(admin(&broker, "POST", "/admin/apis", &demo).await.status, 409);
    assert_eq!(get_http(&url, &[]).await.status, 200);

    let price = json!({ "price": "0.005", "pay_to": { "eip155:84532": PROVIDER } });
    let changed = admin(&broker, "PATCH", "/admin/apis/demo", &price).await;
    assert_eq!((changed.status.as_u16(), &changed.json()["price"]), (200, &json!("$0.005")), "{changed:?}");
    let bought = payment(&broker, &Agent::new(), "/slow?1").await;
    assert_eq!(collect(&broker, "/slow?1", &bought).await.status, 200);

    broker.crash_and_restart().await;
    assert_eq!(get_http(&url, &[]).await.status, 402, "it is kept");
    let listed = admin(&broker, "GET", "/admin/apis", &json!({})).await.json();
    assert_eq!(listed["apis"][0]["id"], "demo", "{listed}");
    assert_eq!(admin(&broker, "DELETE", "/admin/apis/demo", &json!({})).await.status, 200);
    assert_eq!(admin(&broker, "DELETE", "/admin/apis/demo", &json!({})).await.status, 404);
    assert_eq!(get_http(&url, &[]).await.status, 404);
}

#[tokio::test]
async fn what_cannot_be_called_is_not_registered() {
    let api = Api::start().await;
    let configured = BrokerSettings {
        apis: BrokerSettings::api("ours", &api.url(""), "headers = { X-Key = \"s3cret\" }"),
        ..settings("memory:", "")
    };
    let broker = start(&configured).await;
    for bad in [
        json!({ "id": "a", "base_url": "http://127.0.0.1:1/" }),
        json!({ "id": "a", "base_url": "ftp://a.example/" }),
        json!({ "id": "A b", "base_url": "https://a.example/" }),
        json!({ "id": "a" }),
        json!({ "id": "a", "base_url": "https://a.example/", "headers": { "X-Key": "s3cret" } }),
        json!({ "id": "a", "base_url": "https://a.example/", "price": "0.1", "pay_to": { "eip155:84532": PROVIDER } }),
    ] {
        let refused = admin(&broker, "POST", "/admin/apis", &bad).await;
        assert_eq!(refused.status, 400, "{bad}: {refused:?}");
    }
    let ours = json!({ "id": "ours", "base_url": "https://a.example/" });
    assert_eq!(admin(&broker, "POST", "/admin/apis", &ours).await.status, 409, "the configuration's");
    assert_eq!(admin(&broker, "PATCH", "/admin/apis/ours", &json!({ "price": null })).await.status, 409);
    assert_eq!(admin(&broker, "DELETE", "/admin/apis/ours", &json!({})).await.status, 409);
    let listed = admin(&broker, "GET", "/admin/apis", &json!({})).await.text();
    assert!(listed.contains("x-key") && !listed.contains("s3cret"), "{listed}");
}

#[tokio::test]
async fn what_one_broker_is_told_the_other_knows() {
    let (facilitator, api) = (facilitator().await, Api::start().await);
    let redis = RedisServer::start().await.unwrap();
    let more = format!("facilitator = \"http://{}\"\n", address(&facilitator));
    let settings = settings(&redis.url(), &more);
    let [first, second] = [start(&settings).await, start(&settings).await];
    let demo = json!({ "id": "demo", "base_url": api.url(""), "allow_private": true, "price": "0.005",
        "pay_to": { "eip155:84532": PROVIDER } });
    assert_eq!(admin(&first, "POST", "/admin/apis", &demo).await.status, 201);
    let mut socket = open(&second.socket_url(), &[]).await.unwrap();
    for _ in 0..40 {
        let told = ask(&mut socket, &get("c1", "/slow?1")).await;
        if code(&told, "c1") == 402 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    panic!("not known in ten seconds");
}

/// What arrives at a wallet that takes deposits buys sessions: nobody is paid for a call there.
#[tokio::test]
async fn no_api_pays_the_wallet_that_takes_deposits() {
    let (api, anvil) = (Api::start().await, Anvil::start(84_532).await.unwrap());
    let chain = format!(
        "[[chain]]\nnetwork = \"eip155:84532\"\nrpc_url = \"{}\"\nsettlement_key = \"file:settlement-key\"\n",
        anvil.url()
    );
    let files = [("admin-token", TOKEN), ("settlement-key", ANVIL_KEY)];
    let broker = Broker::start_with(&settings("memory:", &chain), &files).await;
    let paid_at = |wallet: &str| {
        json!({
            "id": "demo", "base_url": api.url(""), "allow_private": true, "price": "0.005",
            "pay_to": { "eip155:84532": wallet },
        })
    };
    for own in [ANVIL_ADDRESS.to_owned(), ANVIL_ADDRESS.to_lowercase()] {
        let refused = admin(&broker, "POST", "/admin/apis", &paid_at(&own)).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        assert!(refused.text().contains("deposit wallet"), "{refused:?}");
    }
    assert_eq!(admin(&broker, "POST", "/admin/apis", &paid_at(PROVIDER)).await.status, 201);
    let patched = json!({ "pay_to": { "eip155:84532": ANVIL_ADDRESS } });
    assert_eq!(admin(&broker, "PATCH", "/admin/apis/demo", &patched).await.status, 400);
}
