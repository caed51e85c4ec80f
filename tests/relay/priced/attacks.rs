//! Those who want what they have not paid for.

use super::shop::{PRICE, Shop, as_on_chain, buy, payment};
use crate::rig::{ask, code, get};
use serde_json::json;
use tollwire_tests::agent::{Agent, Terms, fresh_nonce, now};
use tollwire_tests::broker::{Broker, BrokerSettings};
use tollwire_tests::http::get as get_http;

#[tokio::test]
async fn a_stranger_who_reads_the_chain_collects_nothing() {
    let shop = Shop::open().await;
    let payment = shop.payment(&Agent::new(), "/slow?1").await;
    assert_eq!(shop.collect("/slow?1", &payment).await.status, 200);
    let public = as_on_chain(&payment);
    let over_http = shop.collect("/slow?1", &public).await;
    assert_eq!(
        (over_http.status.as_u16(), over_http.json()["type"].clone()),
        (401, json!("urn:tollwire:problem:proof-required"))
    );
    let mut forged = payment.message.clone();
    forged["extensions"]["tollwire-relay"]["info"]["quote"] = json!("AAAAAAAAAAAAAAAAAAAAAA");
    for presented in [public, payment.with_message(forged)] {
        let refused = buy(&mut shop.socket().await, "c1", "/slow?1", &presented).await;
        assert_eq!(code(&refused, "c1"), 401, "{refused}");
        assert!(!refused.to_string().contains("slow"), "{refused}");
    }
    assert_eq!(shop.api.seen().len(), 1);
}

#[tokio::test]
async fn a_payment_buys_one_call_and_no_other() {
    let shop = Shop::open().await;
    let mut socket = shop.socket().await;
    let payment = shop.payment(&Agent::new(), "/slow?1").await;
    assert_eq!(buy(&mut socket, "c1", "/slow?1", &payment).await["metadata"]["settled"], true);
    for other in ["/slow?2", "/slow", "/status?200"] {
        let refused = buy(&mut socket, "c1", other, &payment).await;
        assert_eq!(code(&refused, "c1"), 409, "{refused}");
        assert_eq!(refused["error"]["message"], "payment already used for another request");
        assert_eq!(shop.collect(other, &payment).await.status, 409);
    }
    // The same authorization in other words is the same payment.
    let mut reworded = payment.message.clone();
    reworded["resource"]["description"] = json!("other words");
    reworded["payload"]["authorization"]["from"] =
        json!(reworded["payload"]["authorization"]["from"].as_str().unwrap().to_lowercase());
    let again = buy(&mut socket, "c1", "/slow?1", &payment.with_message(reworded)).await;
    assert_eq!(again["metadata"]["replayed"], true, "{again}");
    assert_eq!(shop.api.seen().len(), 1);
}

#[tokio::test]
async fn what_is_not_the_price_is_not_taken() {
    let shop = Shop::open().await;
    let bill = get_http(&shop.broker.url("/relay/demo/slow?1"), &[]).await.decoded("payment-required");
    let offer = bill["accepts"][0].clone();
    let (agent, thief) = (Agent::new(), Agent::new());
    let terms = Agent::terms(&offer);
    let wrong = |change: &dyn Fn(&mut Terms)| {
        let mut terms = Terms { nonce: fresh_nonce(), ..terms.clone() };
        change(&mut terms);
        agent.pay_v2(&bill, &offer, &terms)
    };
    let mut cheaper = offer.clone();
    cheaper["amount"] = json!("1");
    let mut stolen = agent.pay_v2(&bill, &offer, &terms).message;
    stolen["payload"]["authorization"]["from"] = json!(thief.address());
    let cases = [
        ("too little", wrong(&|terms| terms.value = PRICE - 1)),
        ("too much", wrong(&|terms| terms.value = PRICE + 1)),
        ("to himself", wrong(&|terms| terms.to = agent.address())),
        ("over already", wrong(&|terms| terms.valid_before = now() - 1)),
        ("an offer of his own", agent.pay_v2(&bill, &cheaper, &Agent::terms(&cheaper))),
        ("another's money", agent.pay_v2(&bill, &offer, &terms).with_message(stolen)),
    ];
    let mut socket = shop.socket().await;
    for (case, payment) in cases {
        let refused = buy(&mut socket, "c1", "/slow?1", &payment).await;
        assert_eq!(code(&refused, "c1"), 402, "{case}: {refused}");
        assert_eq!(refused["paymentResponse"]["success"], false, "{case}: {refused}");
        assert!(refused["paymentResponse"]["errorReason"].is_string(), "{case}: {refused}");
        assert_eq!(refused["error"]["paymentRequired"]["accepts"][0], offer, "{case}");
    }
    assert!(shop.api.seen().is_empty(), "a call was made for nothing");
    let good = agent.pay_v2(&bill, &offer, &terms);
    let sold = buy(&mut socket, "c1", "/slow?1", &good).await;
    assert_eq!(sold["metadata"]["settled"], true, "{sold}");
}

#[tokio::test]
async fn one_name_is_one_payment_s() {
    let shop = Shop::open().await;
    let mut socket = shop.socket().await;
    let agent = Agent::new();
    let named = |payment: tollwire_tests::agent::Payment| {
        let mut message = payment.message.clone();
        message["extensions"]["payment-identifier"] = json!({ "info": { "id": "order-0123456789abcdef" } });
        payment.with_message(message)
    };
    let first = named(shop.payment(&agent, "/slow?1").await);
    let sold = buy(&mut socket, "c1", "/slow?1", &first).await;
    assert_eq!(sold["metadata"]["settled"], true, "{sold}");
    let second = named(shop.payment(&agent, "/slow?1").await);
    assert_eq!(code(&buy(&mut socket, "c1", "/slow?1", &second).await, "c1"), 409);
    let other = named(shop.payment(&Agent::new(), "/slow?1").await);
    assert_eq!(
        buy(&mut socket, "c1", "/slow?1", &other).await["metadata"]["settled"],
        true,
        "another payer's"
    );
    assert_eq!(shop.api.seen().len(), 2);
}

#[tokio::test]
async fn money_that_comes_twice_or_unreadable_is_refused() {
    let shop = Shop::open().await;
    let url = shop.broker.url("/relay/demo/slow?1");
    let payment = shop.payment(&Agent::new(), "/slow?1").await;
    for headers in [
        vec![(payment.header, payment.value.as_str()), ("x-payment", "e30=")],
        vec![(payment.header, payment.value.as_str()), (payment.header, payment.value.as_str())],
        vec![(payment.header, "not base64")],
        vec![(payment.header, payment.value.as_str()), ("tollwire-claim", "short")],
    ] {
        assert_eq!(get_http(&url, &headers).await.status, 400, "{headers:?}");
    }
    assert!(shop.api.seen().is_empty());
}

#[tokio::test]
async fn a_price_needs_somebody_who_settles_and_a_facilitator_that_is_away_takes_nothing() {
    let api = tollwire_tests::api::Api::start().await;
    let settings = super::shop::settled_at(([127, 0, 0, 1], 1).into(), "memory:", &api);
    let broker = Broker::start(&settings).await;
    let refused =
        ask(&mut tollwire_tests::ws::open(&broker.socket_url(), &[]).await.unwrap(), &get("c1", "/slow?1"))
            .await;
    assert_eq!((code(&refused, "c1"), &refused["error"]["data"]["retry"]), (503, &json!("same-payment")));
    assert!(api.seen().is_empty());
}

/// Two APIs: a payment for one is none for the other.
#[tokio::test]
async fn a_payment_is_for_its_api() {
    let shop = Shop::open().await;
    let apis = BrokerSettings::api("demo", &shop.api.url(""), "price = \"0.005\"")
        + &BrokerSettings::api("other", &shop.api.url(""), "price = \"0.005\"");
    let settings =
        BrokerSettings { top: "[[chain]]\nkind = \"dev\"\n".into(), apis, ..BrokerSettings::default() };
    let broker = Broker::start(&settings).await;
    let payment = payment(&broker, &Agent::new(), "/slow?1").await;
    let url = |api: &str| broker.url(&format!("/relay/{api}/slow?1"));
    let headers = [(payment.header, payment.value.as_str())];
    assert_eq!(get_http(&url("demo"), &headers).await.status, 200);
    assert_eq!(get_http(&url("other"), &headers).await.status, 409);
}
