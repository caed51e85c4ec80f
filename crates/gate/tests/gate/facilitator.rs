//! `/verify`, `/settle`, `/supported` for plain x402 servers.

use crate::support::{Reply, World, offer_of, request, usdc};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use tollwire_gate::{Account, AccountId, Customers, KeyHash};
use tollwire_ledger::{Clock, Ledger};
use tollwire_settlement::dev::BroadcastFault;
use tollwire_settlement::{Allowlist, LocalFacilitator, Rate, Settler, SettlerConfig, Terms};
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

/// A world in which `acme` has a key and `gone` is suspended; with their keys.
fn with_accounts(keyless: bool, terms: &Terms) -> (World, String, String) {
    let world = World::new();
    let (ledger, clock): (Arc<dyn Ledger>, Arc<dyn Clock>) = (world.ledger.clone(), world.clock.clone());
    let config = SettlerConfig::named("customers");
    let settler = Arc::new(Settler::new(ledger, vec![world.chain.clone()], clock, config));
    let anybody = LocalFacilitator::new(settler, Allowlist::dev_only());
    let account = |name: &str, suspended| {
        let id: AccountId = name.parse().unwrap();
        let key = id.new_key().unwrap();
        let facilitator = Arc::new(anybody.for_account(name, terms.clone()));
        (Account { id, key: KeyHash::of(&key), suspended, facilitator }, key)
    };
    let ((acme, key), (gone, old)) = (account("acme", false), account("gone", true));
    let first = if keyless { Customers::keyless(Arc::new(anybody.clone())) } else { Customers::with_keys() };
    world.gate.set_customers(first.and(acme).and(gone));
    (world, key, old)
}

async fn post_with(world: &World, path: &str, body: &str, authorization: &str) -> Reply {
    let mut request = request(Method::POST, path);
    *request.body_mut() = body.to_owned().into();
    request.headers_mut().insert("authorization", authorization.parse().unwrap());
    world.call(request).await
}

#[tokio::test(start_paused = true)]
async fn a_key_opens_its_account_and_nothing_else_does() {
    let (world, key, old) = with_accounts(false, &Terms::default());
    let offer = offer(&world).await;
    let body = v2_body(&offer, &world.wallet(7).sign(&offer, 1)).to_string();
    for (path, verdict, word) in
        [("/verify", "isValid", "invalidReason"), ("/settle", "success", "errorReason")]
    {
        let missing = post(&world, path, &body).await;
        assert_eq!(
            (missing.status, missing.header("www-authenticate")),
            (StatusCode::UNAUTHORIZED, "Bearer")
        );
        assert_eq!(
            (&missing.json()[verdict], &missing.json()[word]),
            (&json!(false), &json!("unauthorized"))
        );
        for wrong in ["Bearer x", "Bearer", "Basic abc", &format!("Bearer {key}0"), &format!("DPoP {key}")] {
            let reply = post_with(&world, path, &body, wrong).await;
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{wrong}");
            assert_eq!(
                (&reply.json()[verdict], &reply.json()[word]),
                (&json!(false), &json!("unauthorized"))
            );
        }
        let suspended = post_with(&world, path, &body, &format!("Bearer {old}")).await;
        assert_eq!(suspended.status, StatusCode::FORBIDDEN);
        assert_eq!(suspended.json()[word], reason::ACCOUNT_SUSPENDED);
    }
    assert_eq!(world.get("/supported").await.status, StatusCode::OK);
    let settled = post_with(&world, "/settle", &body, &format!("bearer {key}")).await.json();
    assert_eq!(settled["success"], true, "{settled}");
    let transaction = settled["transaction"].as_str().unwrap();
    let status = format!("/settle/eip155:84532/{transaction}");
    assert_eq!(world.get(&status).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_429_with_a_time_and_a_quota_with_a_longer_one() {
    let one = std::num::NonZeroU32::MIN;
    let rate = Some(Rate { per_second: one, burst: one });
    let terms = Terms { requests_per_payer: rate, settles_per_day: Some(1), ..Terms::default() };
    let (world, key, _) = with_accounts(true, &terms);
    let bearer = format!("Bearer {key}");
    let offer = offer(&world).await;
    let [first, second] =
        [1, 2].map(|nonce| v2_body(&offer, &world.wallet(7).sign(&offer, nonce)).to_string());
    assert_eq!(post_with(&world, "/settle", &first, &bearer).await.json()["success"], true);
    let limited = post_with(&world, "/settle", &second, &bearer).await;
    assert_eq!((limited.status, limited.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "1"));
    assert_eq!(
        (&limited.json()["success"], &limited.json()["errorReason"]),
        (&json!(false), &json!("rate_limited"))
    );
    assert_eq!(limited.json()["transaction"], "");
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    let spent = post_with(&world, "/settle", &second, &bearer).await;
    assert_eq!(
        (spent.status, &spent.json()["errorReason"]),
        (StatusCode::TOO_MANY_REQUESTS, &json!("quota_exhausted"))
    );
    assert_eq!(spent.header("retry-after"), "86400");
    assert_eq!(post(&world, "/settle", &second).await.json()["success"], true, "without a key: other terms");
}

#[tokio::test(start_paused = true)]
async fn an_identifier_is_409_for_another_payment_and_400_when_it_is_required() {
    let world = World::new();
    let offer = offer(&world).await;
    let body = |nonce, info: &Value| {
        let mut body = v2_body(&offer, &world.wallet(7).sign(&offer, nonce));
        body["paymentPayload"]["extensions"] = json!({"payment-identifier": {"info": info, "schema": {}}});
        body.to_string()
    };
    let named = json!({"required": true, "id": "order-0123456789"});
    let first = post(&world, "/settle", &body(1, &named)).await.json();
    assert_eq!(first["success"], true, "{first}");
    assert_eq!(post(&world, "/settle", &body(1, &named)).await.json(), first);
    let other = post(&world, "/settle", &body(2, &named)).await;
    assert_eq!(
        (other.status, &other.json()["errorReason"]),
        (StatusCode::CONFLICT, &json!("payment_identifier_conflict"))
    );
    let missing = post(&world, "/verify", &body(2, &json!({"required": true}))).await;
    assert_eq!(missing.status, StatusCode::BAD_REQUEST);
    assert_eq!(missing.json()["invalidReason"], reason::PAYMENT_IDENTIFIER_INVALID);
    assert_eq!(world.chain.transfers().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_settlement_can_be_looked_up_while_it_is_pending_and_after() {
    let world = World::new();
    let offer = offer(&world).await;
    let (wallet, unknown) = (world.wallet(7), "/settle/eip155:84532/0xab");
    let nothing = world.get(unknown).await;
    assert_eq!((nothing.status, &nothing.json()["status"]), (StatusCode::NOT_FOUND, &json!("unknown")));
    let body = v2_body(&offer, &wallet.sign(&offer, 1)).to_string();
    world.chain.faults().next_broadcast(BroadcastFault::ReceiptAfter(std::time::Duration::from_secs(40)));
    let pending = post(&world, "/settle", &body).await.json();
    assert_eq!(pending["errorReason"], "settlement_pending", "{pending}");
    let transaction = pending["transaction"].as_str().unwrap().to_owned();
    let status = world.get(&format!("/settle/base-sepolia/{transaction}")).await.json();
    assert_eq!(
        (&status["status"], &status["payments"][0]["transaction"]),
        (&json!("pending"), &json!(transaction))
    );
    let settled = post(&world, "/settle", &body).await.json();
    assert_eq!((&settled["success"], &settled["transaction"]), (&json!(true), &json!(transaction)));
    let status = world.get(&format!("/settle/eip155%3A84532/{}", transaction.replace("0x", "0X"))).await;
    assert_eq!(status.status, StatusCode::NOT_FOUND, "0X is no hash");
    let shouted = format!("0x{}", transaction[2..].to_uppercase());
    for name in [&transaction, &shouted] {
        let status = world.get(&format!("/settle/eip155:84532/{name}")).await.json();
        assert_eq!(
            (&status["status"], &status["network"]),
            (&json!("settled"), &json!("eip155:84532")),
            "{status}"
        );
        let payment = &status["payments"][0];
        assert_eq!((&payment["amount"], &payment["confirmations"]), (&json!("10000"), &json!(1)), "{status}");
        assert_eq!(payment["payer"], wallet.key.address().to_string());
        assert_eq!((&payment["payTo"], &payment["asset"]), (&json!(offer.pay_to), &json!(offer.asset)));
        let by_identity = format!("/settle/{}", payment["payment"].as_str().unwrap());
        assert_eq!(world.get(&by_identity).await.json(), status);
    }
    assert_eq!(world.get(&format!("/settle/base/{transaction}")).await.status, StatusCode::NOT_FOUND);
}
