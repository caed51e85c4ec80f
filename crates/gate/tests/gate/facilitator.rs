//! `/verify`, `/settle`, `/supported` for plain x402 servers.

use crate::support::{Reply, World, offer_of, request, usdc};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tollwire_x402::reason;
use tollwire_x402::v2::PaymentRequirements;

async fn post(world: &World, path: &str, body: &str) -> Reply {
    let mut request = request(Method::POST, path);
    *request.body_mut() = body.to_owned().into();
    world.call(request).await
}

async fn offer(world: &World) -> PaymentRequirements {
    let mut offer = offer_of(&world.bill("ticks").await, 10_000);
    offer.pay_to = world.wallet(9).key.address().to_string();
    offer
}

fn v2_body(offer: &PaymentRequirements, payload: &Value) -> Value {
    json!({
        "x402Version": 2,
        "paymentPayload": {"x402Version": 2, "accepted": offer, "payload": payload},
        "paymentRequirements": offer,
    })
}

#[tokio::test(start_paused = true)]
async fn verifies_and_settles_v2_once() {
    let world = World::new();
    let offer = offer(&world).await;
    let body = v2_body(&offer, &world.wallet(7).sign(&offer, 1)).to_string();
    let verified = post(&world, "/verify", &body).await;
    assert_eq!((verified.status, verified.json()["isValid"].as_bool()), (StatusCode::OK, Some(true)));
    assert_eq!(world.chain.transfers(), [], "verify moves nothing");
    let first = post(&world, "/settle", &body).await.json();
    assert_eq!(first["success"], true, "{first}");
    assert_eq!(first["network"], "eip155:84532");
    let again = post(&world, "/settle", &body).await.json();
    assert_eq!(again["transaction"], first["transaction"], "{again}");
    assert_eq!(world.chain.transfers().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn speaks_v1_too() {
    let world = World::new();
    let offer = offer(&world).await;
    let payload = world.wallet(7).sign(&offer, 1);
    let body = json!({
        "x402Version": 1,
        "paymentPayload": {"x402Version": 1, "scheme": "exact", "network": "base-sepolia", "payload": payload},
        "paymentRequirements": {
            "scheme": "exact", "network": "base-sepolia", "maxAmountRequired": "10000",
            "resource": "https://x.example/", "description": "", "mimeType": "text/plain",
            "payTo": offer.pay_to, "maxTimeoutSeconds": 300, "asset": offer.asset, "extra": offer.extra,
        },
    });
    let settled = post(&world, "/settle", &body.to_string()).await.json();
    assert_eq!(
        (settled["success"].as_bool(), settled["network"].as_str()),
        (Some(true), Some("base-sepolia"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_business_refusal_is_200_with_the_official_words() {
    let world = World::new();
    let offer = offer(&world).await;
    let payload = world.wallet(7).sign(&offer, 1);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = v2_body(&offer, &payload);
        change(&mut body);
        body.to_string()
    };
    let both = |body: &mut Value, key: &str, value: Value| {
        body["paymentRequirements"][key] = value.clone();
        body["paymentPayload"]["accepted"][key] = value;
    };
    let cases = [
        (with(&|b| both(b, "scheme", json!("upto"))), reason::UNSUPPORTED_SCHEME),
        (with(&|b| both(b, "network", json!("eip155:1"))), reason::INVALID_NETWORK),
        (with(&|b| both(b, "network", json!("cosmos:hub"))), reason::INVALID_NETWORK),
        (with(&|b| both(b, "amount", json!("9999"))), reason::EVM_VALUE_MISMATCH),
        (with(&|b| b["paymentPayload"]["x402Version"] = json!(3)), reason::INVALID_X402_VERSION),
    ];
    for (body, reason) in cases {
        let verified = post(&world, "/verify", &body).await;
        assert_eq!(verified.status, StatusCode::OK, "{reason}");
        let verdict = verified.json();
        assert_eq!((&verdict["isValid"], &verdict["invalidReason"]), (&json!(false), &json!(reason)));
        let settled = post(&world, "/settle", &body).await;
        assert_eq!(settled.status, StatusCode::OK, "{reason}");
        let verdict = settled.json();
        assert_eq!((&verdict["success"], &verdict["errorReason"]), (&json!(false), &json!(reason)));
        assert_eq!(verdict["transaction"], "", "never null");
        assert!(verdict["network"].is_string());
    }
    let poor = world.wallet(7).key.address().to_string();
    world.chain.set_balance(&poor, usdc(0));
    let verdict = post(&world, "/verify", &with(&|_| {})).await.json();
    assert_eq!(verdict["invalidReason"], reason::EVM_INSUFFICIENT_BALANCE);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_400_in_words_official_clients_understand() {
    let world = World::new();
    let deep = "[".repeat(20_000);
    let long = format!("{{\"x402Version\":2,\"pad\":\"{}\"}}", "x".repeat(70_000));
    for body in ["", "null", "[]", "{", "{}", r#"{"paymentPayload":{}}"#, "\u{feff}{}", &deep, &long] {
        for (path, verdict) in [("/verify", "isValid"), ("/settle", "success")] {
            let reply = post(&world, path, body).await;
            assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{path} {body:.40}");
            assert_eq!(reply.header("content-type"), "application/problem+json");
            assert_eq!(reply.json()[verdict], false);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_down_is_503_and_no_verdict_about_the_payment() {
    let world = World::new();
    let offer = offer(&world).await;
    let body = v2_body(&offer, &world.wallet(7).sign(&offer, 1)).to_string();
    world.chain.faults().set_down(true);
    let reply = post(&world, "/verify", &body).await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{reply:?}");
    assert_eq!(reply.json()["invalidReason"], reason::UNEXPECTED_VERIFY_ERROR);
    assert_eq!(reply.header("retry-after"), "2");
}

#[tokio::test]
async fn supported_lists_both_versions_and_the_signers() {
    let world = World::new();
    let supported = world.get("/supported").await.json();
    let kinds = supported["kinds"].as_array().unwrap();
    for (version, network) in [(1, "base-sepolia"), (2, "eip155:84532")] {
        assert!(
            kinds.iter().any(|kind| {
                kind["x402Version"] == version && kind["network"] == network && kind["scheme"] == "exact"
            }),
            "{supported}"
        );
    }
    assert!(supported["extensions"].is_array());
    assert!(supported["signers"]["eip155:*"].is_array());
}
