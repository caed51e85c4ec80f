//! The same payment again: never a second charge, and only its payer can collect it.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use futures_util::future::join_all;
use serde_json::json;
use std::collections::HashSet;
use tollwire_testkit::redis::RedisServer;
use tollwire_tests::agent::{Agent, bill, offer};
use tollwire_tests::facilitator::Facilitator;
use tollwire_tests::http::get;
use tollwire_tests::settings::{Feed, Settings, Store};
use tollwire_x402::header;

fn settings() -> Settings {
    let other = Feed { id: "other", ..Feed::ticks("ws://127.0.0.1:9/") };
    Settings::dev(vec![Feed::ticks("ws://127.0.0.1:9/"), other])
}

#[tokio::test]
async fn with_its_quote_it_is_answered_with_the_same_session() {
    let mut facilitator = Facilitator::start(settings()).await;
    let url = facilitator.url("/feeds/ticks/session");
    let payment = Agent::new().payment(&url, 10_000).await;
    let first = get(&url, &[(payment.header, &payment.value)]).await.json();
    for crash in [false, true] {
        if crash {
            facilitator.crash_and_restart().await;
        }
        let again = get(&url, &[(payment.header, &payment.value)]).await;
        assert_eq!(again.status, 200, "{again:?}");
        assert_eq!(again.json()["session"]["jti"], first["session"]["jti"]);
        assert_eq!(again.json()["expires_at"], first["expires_at"]);
    }
}

#[tokio::test]
async fn with_its_claim_it_is_answered_in_either_dialect() {
    let facilitator = Facilitator::start(settings()).await;
    let url = facilitator.url("/feeds/ticks/session");
    let agent = Agent::new();
    let bill = bill(&url).await;
    let payment = agent.pay_v1("base-sepolia", &Agent::terms(&offer(&bill, 10_000)));
    let claim = ("tollwire-claim", "a-secret-of-the-client-0123456789");
    let first = get(&url, &[(payment.header, &payment.value), claim]).await;
    assert_eq!(first.status, 200, "{first:?}");
    let again = get(&url, &[(payment.header, &payment.value), claim]).await;
    assert_eq!(again.json()["session"]["jti"], first.json()["session"]["jti"]);
    for wrong in [&[][..], &[("tollwire-claim", "another-secret-0123456789-abcdef")]] {
        let headers: Vec<_> =
            [(payment.header, payment.value.as_str())].iter().chain(wrong).copied().collect();
        assert_challenge(&get(&url, &headers).await);
    }
}

/// A 401 that says nothing but how to prove oneself.
fn assert_challenge(answer: &tollwire_tests::http::Answer) {
    assert_eq!(answer.status, 401, "{answer:?}");
    let body = answer.json();
    assert!(body["extensions"]["sign-in-with-x"]["info"]["nonce"].is_string(), "{body}");
    let text = format!("{:?}{}", answer.headers, answer.text());
    for leak in ["jti", "token\"", "units_remaining", "ws_url"] {
        assert!(!text.contains(leak), "{leak}: {text}");
    }
}

#[tokio::test]
async fn without_proof_a_stranger_gets_a_challenge() {
    let facilitator = Facilitator::start(settings()).await;
    let url = facilitator.url("/feeds/ticks/session");
    let payment = Agent::new().payment(&url, 10_000).await;
    assert_eq!(get(&url, &[(payment.header, &payment.value)]).await.status, 200);
    // What the chain shows: the authorization and its signature, and nothing that went by HTTP only.
    let mut bare = payment.message.clone();
    bare.as_object_mut().unwrap().remove("extensions");
    let v2 = payment.with_message(bare.clone());
    assert_challenge(&get(&url, &[(v2.header, &v2.value)]).await);
    let message =
        json!({ "x402Version": 1, "scheme": "exact", "network": "base-sepolia", "payload": bare["payload"] });
    let v1 = header::encode(&message).unwrap();
    assert_challenge(&get(&url, &[(header::X_PAYMENT, &v1)]).await);
    // With a quote of one's own it is no better.
    let mut own = payment.message.clone();
    own["extensions"] = bill(&url).await["extensions"].clone();
    let own = payment.with_message(own);
    assert_challenge(&get(&url, &[(own.header, &own.value)]).await);
}

#[tokio::test]
async fn for_another_feed_or_size_it_is_refused_without_session_data() {
    let facilitator = Facilitator::start(settings()).await;
    let url = facilitator.url("/feeds/ticks/session");
    let payment = Agent::new().payment(&url, 10_000).await;
    let first = get(&url, &[(payment.header, &payment.value)]).await;
    let jti = first.json()["session"]["jti"].as_str().unwrap().to_owned();
    let other = get(&facilitator.url("/feeds/other/session"), &[(payment.header, &payment.value)]).await;
    assert_eq!(other.status, 409, "{other:?}");
    assert!(!other.text().contains(&jti) && !other.text().contains("token\""));
}

#[tokio::test]
async fn fifty_at_once_over_two_nodes_buy_one_session() {
    let redis = RedisServer::start().await.unwrap();
    let shared = Settings { store: Store::Redis(redis.url()), ..settings() };
    let one = Facilitator::start(shared.clone()).await;
    let two = Facilitator::start_beside(&one, shared).await;
    let payment = Agent::new().payment(&one.url("/feeds/ticks/session"), 10_000).await;
    let tries = (0..50).map(|n| {
        let url = if n % 2 == 0 { &one } else { &two }.url("/feeds/ticks/session");
        let payment = payment.clone();
        async move { get(&url, &[(payment.header, &payment.value)]).await }
    });
    let answers = join_all(tries).await;
    let jtis: HashSet<String> = answers
        .iter()
        .map(|answer| {
            assert_eq!(answer.status, 200, "{answer:?}");
            answer.json()["session"]["jti"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(jtis.len(), 1);
    let transactions: HashSet<String> = answers
        .iter()
        .map(|answer| answer.decoded(header::PAYMENT_RESPONSE)["transaction"].to_string())
        .collect();
    assert_eq!(transactions.len(), 1, "{transactions:?}");
}
