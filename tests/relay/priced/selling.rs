//! One call, one payment: asked for, verified, made, settled, shown.

use super::shop::{PRICE, Shop, buy};
use crate::rig::{ask, code, get};
use serde_json::{Value, json};
use tollwire_tests::agent::Agent;
use tollwire_tests::http::get as get_http;

#[tokio::test]
async fn what_is_not_paid_for_is_asked_for_in_both_dialects_and_not_made() {
    let shop = Shop::open().await;
    let unpaid = ask(&mut shop.socket().await, &get("c1", "/slow?1")).await;
    assert_eq!(code(&unpaid, "c1"), 402);
    let required = &unpaid["error"]["paymentRequired"];
    let url = shop.broker.url("/relay/demo/slow?1");
    assert_eq!((&required["x402Version"], &required["resource"]["url"]), (&json!(2), &json!(url)));
    let offer = &required["accepts"][0];
    assert_eq!(
        (&offer["scheme"], &offer["network"], &offer["amount"]),
        (&json!("exact"), &json!("eip155:84532"), &json!(PRICE.to_string()))
    );
    assert_eq!(offer["extra"], json!({ "name": "USDC", "version": "2" }));
    let quote = &required["extensions"]["tollwire-relay"]["info"]["quote"];
    assert!(quote.as_str().unwrap().len() >= 16, "{required}");

    let over_http = get_http(&url, &[]).await;
    assert_eq!((over_http.status.as_u16(), over_http.header("cache-control")), (402, Some("no-store")));
    let body = over_http.json();
    assert_eq!((&body["x402Version"], &body["accepts"][0]["network"]), (&json!(1), &json!("base-sepolia")));
    assert_eq!(body["accepts"][0]["maxAmountRequired"], json!(PRICE.to_string()));
    let again = &over_http.decoded("payment-required")["extensions"]["tollwire-relay"]["info"]["quote"];
    assert_ne!(again, quote, "a quote for each bill");
    assert!(shop.api.seen().is_empty(), "an unpaid call was made");
}

#[tokio::test]
async fn a_paid_call_is_made_once_and_shown_when_it_is_settled() {
    let shop = Shop::open().await;
    let agent = Agent::new();
    let payment = shop.payment(&agent, "/headers").await;
    let sold = buy(&mut shop.socket().await, "c1", "/headers", &payment).await;
    assert_eq!((&sold["id"], &sold["result"]), (&json!("c1"), &json!("AP+A")), "{sold}");
    let settled = &sold["paymentResponse"];
    assert_eq!((&settled["success"], &settled["payer"]), (&json!(true), &json!(agent.address())));
    assert_eq!(settled["network"], "eip155:84532");
    assert!(settled["transaction"].as_str().unwrap().starts_with("0x"), "{sold}");
    assert_eq!((&sold["metadata"]["settled"], &sold["metadata"]["replayed"]), (&json!(true), &Value::Null));
    let seen = shop.api.seen();
    assert_eq!(seen.len(), 1);
    let about_money =
        |name: &http::HeaderName| name.as_str().contains("payment") || name.as_str().contains("claim");
    assert!(!seen[0].headers.keys().any(about_money), "the API is shown the payment");
    let log = shop.broker.output();
    let signature = payment.message["payload"]["signature"].as_str().unwrap();
    let quote = payment.message["extensions"]["tollwire-relay"]["info"]["quote"].as_str().unwrap();
    assert!(!log.contains(signature) && !log.contains(quote), "a secret in the log");
}

#[tokio::test]
async fn an_answer_that_is_none_is_not_charged_and_leaves_the_payment_good() {
    let shop = Shop::limited("upstream_answer = \"1s\"").await;
    let (mut socket, payment) = (shop.socket().await, shop.payment(&Agent::new(), "/status?404").await);
    for status in [404, 500, 402] {
        let sold = buy(&mut socket, "c1", &format!("/status?{status}"), &payment).await;
        assert_eq!(sold["metadata"]["status"], status, "{sold}");
        assert_eq!((&sold["metadata"]["settled"], &sold["paymentResponse"]), (&json!(false), &Value::Null));
    }
    let over_http = shop.collect("/status?404", &payment).await;
    assert_eq!((over_http.status.as_u16(), over_http.header("tollwire-settled")), (404, Some("false")));
    for (path, refused) in [("/hangup", 502), ("/held", 504)] {
        let frame = buy(&mut socket, "c1", path, &payment).await;
        assert_eq!(code(&frame, "c1"), refused, "{frame}");
        assert_eq!(frame["error"].get("data"), None, "nothing is in doubt: {frame}");
    }
    let sold = buy(&mut socket, "c1", "/slow?1", &payment).await;
    assert_eq!(
        (&sold["result"], &sold["metadata"]["settled"]),
        (&json!({ "slow": 1 }), &json!(true)),
        "{sold}"
    );
}

#[tokio::test]
async fn a_v1_client_pays_in_its_own_words() {
    let shop = Shop::open().await;
    let url = shop.broker.url("/relay/demo/slow?1");
    let bill = get_http(&url, &[]).await.decoded("payment-required");
    let payment = Agent::new().pay_v1("base-sepolia", &Agent::terms(&bill["accepts"][0]));
    let claim = ("tollwire-claim", "a-claim-nobody-guesses");
    let sold = get_http(&url, &[(payment.header, &payment.value), claim]).await;
    assert_eq!((sold.status.as_u16(), sold.json()), (200, json!({ "slow": 1 })), "{sold:?}");
    let settled = sold.decoded("x-payment-response");
    assert_eq!((&settled["success"], &settled["network"]), (&json!(true), &json!("base-sepolia")));
    assert!(!shop.api.seen()[0].headers.contains_key("tollwire-claim"));

    let again = get_http(&url, &[(payment.header, &payment.value), claim]).await;
    assert_eq!((again.status.as_u16(), again.header("tollwire-replayed")), (200, Some("true")), "{again:?}");
    for wrong in ["another-claim-nobody-guesses", "A-CLAIM-NOBODY-GUESSES"] {
        let refused = get_http(&url, &[(payment.header, &payment.value), ("tollwire-claim", wrong)]).await;
        assert_eq!(refused.status, 401, "{refused:?}");
    }
    assert_eq!(get_http(&url, &[(payment.header, &payment.value)]).await.status, 401);
    assert_eq!(shop.api.seen().len(), 1);
}

#[tokio::test]
async fn a_post_is_paid_for_with_its_body() {
    let shop = Shop::open().await;
    let (mut socket, payment) = (shop.socket().await, shop.payment(&Agent::new(), "/echo").await);
    let mut envelope = json!({ "id": 1, "method": "relay.call", "params": {
        "apiId": "demo", "path": "/echo", "requestMethod": "POST", "requestBody": { "b": 1 },
    } });
    envelope["payment"] = payment.message.clone();
    let sold = ask(&mut socket, &envelope).await;
    assert_eq!(sold["result"], json!({ "b": 1 }), "{sold}");
    envelope["params"]["requestBody"] = json!({ "b": 2 });
    let other = ask(&mut socket, &envelope).await;
    assert_eq!(code(&other, 1), 409, "{other}");
}
