//! The 402: what unpaid requests are told.

use crate::support::{World, request};
use http::{Method, StatusCode};
use serde_json::json;
use tollwire_gate::feed::Origin;
use tollwire_x402::header;

#[tokio::test]
async fn the_v2_header_is_exact() {
    let world = World::new();
    let reply = world.get("/feeds/ticks/session").await;
    assert_eq!(reply.status, StatusCode::PAYMENT_REQUIRED);
    assert_eq!(reply.header("cache-control"), "no-store");
    let mut required = serde_json::to_value(reply.required()).unwrap();
    let quote = required["extensions"]["tollwire-session"]["info"]["quote"].take();
    assert!(quote.as_str().unwrap().len() >= 40, "{quote}");
    let sign_in = required["extensions"].as_object_mut().unwrap().remove("sign-in-with-x").unwrap();
    assert_eq!(sign_in["info"]["uri"], "http://pay.example:4020/feeds/ticks/session");
    let offer = |amount: &str| {
        json!({
            "scheme": "exact", "network": "eip155:84532", "amount": amount,
            "asset": "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
            "payTo": "0xd0D0d0d0D0d0D0D0D0D0D0d0d0D0D0d0d0d0D0d0".to_lowercase(),
            "maxTimeoutSeconds": 300, "extra": {"name": "USDC", "version": "2"},
        })
    };
    for accept in required["accepts"].as_array_mut().unwrap() {
        accept["payTo"] = json!(accept["payTo"].as_str().unwrap().to_lowercase());
    }
    assert_eq!(
        required,
        json!({
            "x402Version": 2,
            "error": "PAYMENT-SIGNATURE header is required",
            "resource": {
                "url": "http://pay.example:4020/feeds/ticks/session",
                "description": "Live feed ticks, paid per stream",
                "mimeType": "application/json",
            },
            "accepts": [offer("1000000"), offer("100000"), offer("10000")],
            "extensions": {"tollwire-session": {
                "info": {
                    "quote": null,
                    "facilitator": "http://pay.example:4020",
                    "unit": "stream",
                    "price": "10000",
                    "maxStreamSeconds": 86400,
                    "dpop": "optional",
                },
                "schema": {
                    "$schema": "https://json-schema.org/draft/2020-12/schema",
                    "type": "object",
                    "properties": {
                        "quote": {"type": "string"},
                        "facilitator": {"type": "string", "format": "uri"},
                        "unit": {"enum": ["stream", "second", "message", "kib"]},
                        "price": {"type": "string"},
                        "maxStreamSeconds": {"type": "integer"},
                        "count": {"enum": ["down", "up", "both"]},
                        "dpop": {"enum": ["optional", "required"]},
                    },
                    "required": ["quote", "facilitator"],
                },
            }},
        })
    );
}

#[tokio::test]
async fn the_v1_body_holds_only_what_legacy_clients_take() {
    let world = World::new();
    let body = world.get("/feeds/ticks/session").await.json();
    assert_eq!(body["x402Version"], 1);
    assert_eq!(body["error"], "X-PAYMENT header is required");
    let accepts = body["accepts"].as_array().unwrap();
    let amounts: Vec<_> = accepts.iter().map(|offer| offer["maxAmountRequired"].as_str().unwrap()).collect();
    assert_eq!(amounts, ["100000", "10000"], "none above $0.10, largest first");
    let mut first = accepts[0].clone();
    let pay_to = first["payTo"].take();
    assert!(pay_to.as_str().unwrap().starts_with("0x"));
    assert_eq!(
        first,
        json!({
            "scheme": "exact", "network": "base-sepolia", "maxAmountRequired": "100000",
            "resource": "http://pay.example:4020/feeds/ticks/session",
            "description": "Live feed ticks, paid per stream", "mimeType": "application/json",
            "payTo": null, "maxTimeoutSeconds": 300,
            "asset": "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
            "extra": {"name": "USDC", "version": "2"},
        })
    );
    assert!(!body.to_string().contains("eip155"), "no CAIP-2 name anywhere in a v1 body");
}

#[tokio::test]
async fn every_bill_has_a_quote_of_its_own() {
    let world = World::new();
    let quote = |required: tollwire_x402::v2::PaymentRequired| {
        required.extensions.unwrap()["tollwire-session"]["info"]["quote"].as_str().unwrap().to_owned()
    };
    assert_ne!(quote(world.bill("ticks").await), quote(world.bill("ticks").await));
}

#[tokio::test]
async fn an_upgrade_without_payment_gets_the_same_bill() {
    let world = World::new();
    let reply = world.get("/feeds/ticks/ws").await;
    assert_eq!(reply.status, StatusCode::PAYMENT_REQUIRED);
    assert_eq!(reply.required().resource.url, "http://pay.example:4020/feeds/ticks/ws");
    assert_eq!(reply.legacy().accepts.len(), 2);
}

#[tokio::test]
async fn an_unknown_feed_has_no_bill() {
    let world = World::new();
    for path in ["/feeds/nothing/session", "/feeds/nothing/ws"] {
        let reply = world.get(path).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND);
        assert_eq!(reply.json()["type"], "urn:tollwire:problem:unknown-feed");
    }
}

#[tokio::test]
async fn browsers_may_pay() {
    let world = World::new();
    let preflight = world.call(request(Method::OPTIONS, "/feeds/ticks/session")).await;
    assert_eq!(preflight.status, StatusCode::NO_CONTENT);
    let allowed = preflight.header("access-control-allow-headers").to_ascii_lowercase();
    for name in [
        header::PAYMENT_SIGNATURE,
        header::X_PAYMENT,
        "access-control-expose-headers",
        "authorization",
        header::TOLLWIRE_CLAIM,
        header::TOLLWIRE_STREAM,
        header::SIGN_IN_WITH_X,
    ] {
        assert!(allowed.split(", ").any(|known| known == name), "{name} in {allowed}");
    }
    let bill = world.get("/feeds/ticks/session").await;
    let exposed = bill.header("access-control-expose-headers").to_ascii_lowercase();
    for name in [header::PAYMENT_REQUIRED, header::PAYMENT_RESPONSE, header::X_PAYMENT_RESPONSE] {
        assert!(exposed.split(", ").any(|known| known == name), "{name} in {exposed}");
    }
    assert_eq!(bill.header("access-control-allow-origin"), "*");
}

#[tokio::test]
async fn a_feed_that_only_sells_dear_deposits_offers_legacy_clients_nothing() {
    let world = World::new();
    let mut feed = crate::support::feed_to("dear", "ws://127.0.0.1:1/");
    feed.deposit_units = vec![1000, 100];
    world.gate.feeds().add(feed, Origin::Configuration).unwrap();
    let reply = world.get("/feeds/dear/session").await;
    assert_eq!(reply.legacy().accepts, []);
    assert_eq!(reply.required().accepts.len(), 2);
}
