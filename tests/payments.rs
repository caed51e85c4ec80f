//! Buying a session over HTTP: what the bill says, what buys, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use http::Method;
use serde_json::json;
use tollwire_tests::agent::{Agent, bill, now, offer};
use tollwire_tests::facilitator::Facilitator;
use tollwire_tests::http::{get, post, try_send};
use tollwire_tests::settings::{Feed, Settings};
use tollwire_x402::{Network, header};

async fn start() -> Facilitator {
    // Nothing listens at the upstream: buying does not need it.
    let other = Feed { id: "other", price: "0.02", ..Feed::ticks("ws://127.0.0.1:9/") };
    Facilitator::start(Settings::dev(vec![Feed::ticks("ws://127.0.0.1:9/"), other])).await
}

#[tokio::test]
async fn the_bill_speaks_both_dialects() {
    let facilitator = start().await;
    let url = facilitator.url("/feeds/ticks/session");
    let unpaid = get(&url, &[]).await;
    assert_eq!(unpaid.status, 402);
    assert_eq!(unpaid.header("cache-control"), Some("no-store"));
    let v2 = unpaid.decoded(header::PAYMENT_REQUIRED);
    assert_eq!(v2["x402Version"], 2);
    assert_eq!(v2["resource"]["url"], url);
    let amounts: Vec<_> =
        v2["accepts"].as_array().unwrap().iter().map(|offer| offer["amount"].clone()).collect();
    assert_eq!(amounts, ["1000000", "100000", "10000"], "largest first");
    assert_eq!(v2["accepts"][0]["network"], "eip155:84532");
    assert_eq!(v2["accepts"][0]["extra"], json!({ "name": "USDC", "version": "2" }));
    let info = &v2["extensions"]["tollwire-session"]["info"];
    assert!(info["quote"].as_str().unwrap().len() >= 22, "128 bits at least");
    assert_eq!(
        info["facilitator"].as_str().unwrap().trim_end_matches('/'),
        facilitator.url("").trim_end_matches('/')
    );

    let v1 = unpaid.json();
    assert_eq!(v1["x402Version"], 1);
    let offers = v1["accepts"].as_array().unwrap();
    let amounts: Vec<_> = offers.iter().map(|offer| offer["maxAmountRequired"].clone()).collect();
    assert_eq!(amounts, ["100000", "10000"], "at most ten cents, best first");
    for offer in offers {
        assert_eq!(offer["network"], "base-sepolia");
        assert_eq!(offer["asset"], "0x036CbD53842c5426634e7929541eC2318f3dCF7e");
        assert!(offer["mimeType"].is_string() && offer["description"].is_string());
        assert!(offer.get("outputSchema").is_none());
    }
}

#[tokio::test]
async fn both_dialects_buy() {
    let facilitator = start().await;
    let url = facilitator.url("/feeds/ticks/session");
    let agent = Agent::new();
    let paid = agent.buy(&url, 1_000_000).await;
    assert_eq!(paid.status, 200, "{paid:?}");
    assert_eq!(paid.header("cache-control"), Some("private, no-store"));
    let receipt = paid.decoded(header::PAYMENT_RESPONSE);
    assert_eq!((&receipt["success"], &receipt["network"]), (&json!(true), &json!("eip155:84532")));
    let body = paid.json();
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["session"]["units_remaining"], 100);
    assert_eq!(body["session"]["deposited"], "$1.00");
    assert_eq!((&body["session"]["feed"], &body["session"]["chain"]), (&json!("ticks"), &json!("dev")));
    assert!(
        body["ws_url"].as_str().unwrap().starts_with("ws://")
            && !body["ws_url"].as_str().unwrap().contains("token")
    );
    let token = body["token"].as_str().unwrap();
    assert!(!receipt.to_string().contains(token), "the token is in the body only");

    let online = get(&facilitator.url("/session"), &[("authorization", &format!("Bearer {token}"))]).await;
    assert_eq!(online.status, 200, "{online:?}");
    assert_eq!((&online.json()["active"], &online.json()["units_remaining"]), (&json!(true), &json!(100)));

    let bill = bill(&url).await;
    let payment = agent.pay_v1("base-sepolia", &Agent::terms(&offer(&bill, 100_000)));
    let paid = get(&url, &[(payment.header, &payment.value)]).await;
    assert_eq!(paid.status, 200, "{paid:?}");
    assert_eq!(paid.decoded(header::X_PAYMENT_RESPONSE)["network"], "base-sepolia");
    assert_eq!(paid.json()["session"]["units_remaining"], 10);
}

#[tokio::test]
async fn a_wrong_payment_buys_nothing_and_says_why() {
    let facilitator = start().await;
    let url = facilitator.url("/feeds/ticks/session");
    let agent = Agent::new();
    let bill = bill(&url).await;
    let offer = offer(&bill, 10_000);
    let right = Agent::terms(&offer);
    let base = tollwire_exact::evm::Domain::usdc(Network::BASE).unwrap();
    let cases = [
        ("value_mismatch", tollwire_tests::agent::Terms { value: 9_999, ..right.clone() }),
        ("value_mismatch", tollwire_tests::agent::Terms { value: 10_001, ..right.clone() }),
        ("recipient_mismatch", tollwire_tests::agent::Terms { to: agent.address(), ..right.clone() }),
        ("valid_before", tollwire_tests::agent::Terms { valid_before: now() - 1, ..right.clone() }),
        ("valid_before", tollwire_tests::agent::Terms { valid_before: now() + 2, ..right.clone() }),
        ("valid_before", tollwire_tests::agent::Terms { valid_before: now() + 100_000, ..right.clone() }),
        ("valid_after", tollwire_tests::agent::Terms { valid_after: now() + 1_000, ..right.clone() }),
        ("signature", tollwire_tests::agent::Terms { domain: base, ..right.clone() }),
    ];
    for (reason, terms) in cases {
        let payment = agent.pay_v2(&bill, &offer, &terms);
        let refused = get(&url, &[(payment.header, &payment.value)]).await;
        assert_eq!(refused.status, 402, "{reason}: {refused:?}");
        let receipt = refused.decoded(header::PAYMENT_RESPONSE);
        assert_eq!(receipt["success"], false);
        assert!(receipt["errorReason"].as_str().unwrap().contains(reason), "{reason}: {receipt}");
        refused.decoded(header::PAYMENT_REQUIRED);
    }
    // The same terms, rightly signed, still buy: nothing was burnt.
    let payment = agent.pay_v2(&bill, &offer, &right);
    assert_eq!(get(&url, &[(payment.header, &payment.value)]).await.status, 200);
}

#[tokio::test]
async fn garbage_gets_a_clear_answer() {
    let facilitator = start().await;
    let url = facilitator.url("/feeds/ticks/session");
    let payment = Agent::new().payment(&url, 10_000).await;
    let bomb = header::encode(
        &serde_json::from_str::<serde_json::Value>(&format!("{}{}", "[".repeat(100), "]".repeat(100)))
            .unwrap(),
    )
    .unwrap();
    let deep = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, "[".repeat(9_000));
    let url_safe = payment.value.replace('+', "-").replace('/', "_") + "-_";
    let long = "A".repeat(20_000);
    for value in ["", "!", "e30=", "bm90IGpzb24=", "eyJ4NDAyVmVyc2lvbiI6Mn0=", &bomb, &deep, &url_safe, &long]
    {
        let refused = get(&url, &[(header::PAYMENT_SIGNATURE, value)]).await;
        assert!(matches!(refused.status.as_u16(), 400 | 402 | 431), "{value:.40}: {refused:?}");
        assert!(refused.status != 400 || refused.json()["detail"].is_string(), "{refused:?}");
    }
    let twice = get(&url, &[(payment.header, &payment.value), (payment.header, &payment.value)]).await;
    assert_eq!(twice.status, 400, "{twice:?}");
    let paid = get(&url, &[(payment.header, &payment.value)]).await;
    assert_eq!(paid.status, 200, "the payment was not burnt by the garbage: {paid:?}");
}

#[tokio::test]
async fn unknown_things_are_not_found() {
    let facilitator = start().await;
    for path in ["/feeds/nothing/session", "/feeds/nothing/ws", "/nothing", "/feeds/..%2f/session"] {
        assert_eq!(get(&facilitator.url(path), &[]).await.status, 404, "{path}");
    }
    let wrong = try_send(Method::DELETE, &facilitator.url("/feeds"), &[], "").await.unwrap();
    assert_eq!(wrong.status, 405);
    assert!(wrong.header("allow").unwrap().contains("GET"));
}

#[tokio::test]
async fn it_is_a_plain_facilitator_too() {
    let facilitator = start().await;
    let agent = Agent::new();
    let requirements = json!({
        "scheme": "exact", "network": "eip155:84532", "amount": "5000",
        "asset": "0x036CbD53842c5426634e7929541eC2318f3dCF7e", "payTo": Agent::new().address(),
        "maxTimeoutSeconds": 60, "extra": { "name": "USDC", "version": "2" },
    });
    let payload = json!({
        "x402Version": 2, "accepted": requirements, "payload": agent.sign(&Agent::terms(&requirements)),
    });
    let request = json!({ "x402Version": 2, "paymentPayload": payload, "paymentRequirements": requirements });
    let verified = post(&facilitator.url("/verify"), &[], &request).await;
    assert_eq!((verified.status.as_u16(), &verified.json()["isValid"]), (200, &json!(true)), "{verified:?}");
    let settled = post(&facilitator.url("/settle"), &[], &request).await;
    assert_eq!(settled.json()["success"], true, "{settled:?}");
    assert_eq!(settled.json()["payer"].as_str().unwrap().to_lowercase(), agent.address().to_lowercase());
    let again = post(&facilitator.url("/settle"), &[], &request).await;
    assert_eq!(again.json(), settled.json(), "the same settlement, the same answer");

    let supported = get(&facilitator.url("/supported"), &[]).await.json();
    let kinds = supported["kinds"].as_array().unwrap();
    assert!(kinds.iter().any(|kind| kind["x402Version"] == 1 && kind["network"] == "base-sepolia"));
    assert!(kinds.iter().any(|kind| kind["x402Version"] == 2 && kind["network"] == "eip155:84532"));

    let mut foreign = request.clone();
    foreign["paymentRequirements"]["scheme"] = json!("upto");
    foreign["paymentPayload"]["accepted"]["scheme"] = json!("upto");
    let refused = post(&facilitator.url("/verify"), &[], &foreign).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["isValid"]), (200, &json!(false)));
    for body in ["", "{", "[]", "{}", "null", "{\"x402Version\":2}"] {
        let malformed = try_send(
            Method::POST,
            &facilitator.url("/verify"),
            &[("content-type", "application/json")],
            body,
        )
        .await
        .unwrap();
        assert_eq!(malformed.status, 400, "{body}: {malformed:?}");
    }
}
