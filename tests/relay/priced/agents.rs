//! Our own client: one socket, many calls, each paid for once, whatever becomes of the socket.

use super::shop::{PRICE, Shop, address, facilitator, settled_at};
use std::sync::Arc;
use std::time::Duration;
use tollwire_client::{ApiCall, Budget, Config, Error, Payer, RelayClient, Wallet, Way};
use tollwire_testkit::link::{FaultLink, Faults};
use tollwire_tests::agent::fresh_nonce;
use tollwire_tests::api::Api;
use tollwire_tests::broker::{Broker, BrokerSettings};
use tollwire_tests::http::get;
use tollwire_tests::ws::open;
use tollwire_x402::{Network, Usdc};

fn payer(calls: u64) -> Payer {
    let wallet = Wallet::evm(&hex::encode(fresh_nonce())).unwrap();
    let usdc = |atomic| Usdc::from_atomic(atomic).unwrap();
    let config = Config::new([Network::BASE_SEPOLIA]);
    Payer::new(wallet, Budget::new(usdc(PRICE), usdc(PRICE * calls)), config).unwrap()
}

fn client(url: &str, calls: u64) -> RelayClient {
    RelayClient::new(payer(calls), url).unwrap()
}

fn spent(client: &RelayClient) -> u64 {
    client.payer().budget().spent().atomic()
}

#[tokio::test]
async fn twenty_calls_at_once_over_one_socket_are_answered_out_of_order_and_paid_once_each() {
    let shop = Shop::open().await;
    let client = client(&shop.broker.url(""), 20);
    let (told, mut order) = tokio::sync::mpsc::channel(20);
    let calls = (0..20_u64).map(|number| {
        let (client, told) = (client.clone(), told.clone());
        async move {
            let path = format!("/slow?{}", 800 - number * 35);
            let called = client.call(&ApiCall::get("demo", &path)).await.unwrap();
            told.try_send(number).unwrap();
            assert_eq!(called.body, format!("{{\"slow\":{}}}", 800 - number * 35));
            assert_eq!((called.paid.atomic(), called.way, called.replayed), (PRICE, Way::Socket, false));
            called.settlement.unwrap().transaction
        }
    });
    let mut transactions = futures_util::future::join_all(calls).await;
    transactions.sort();
    transactions.dedup();
    assert_eq!((transactions.len(), spent(&client), shop.api.seen().len()), (20, 20 * PRICE, 20));
    let mut numbers = Vec::new();
    while let Ok(number) = order.try_recv() {
        numbers.push(number);
    }
    assert!(!numbers.is_sorted(), "answered in the order in which they were asked: {numbers:?}");
    let metrics = get(&shop.broker.admin_url("/metrics"), &[]).await.text();
    assert!(metrics.contains("tollwire_relay_sockets 1"), "more than one socket");
    let over = client.call(&ApiCall::get("demo", "/slow?1")).await.unwrap_err();
    assert!(matches!(over, Error::Budget { .. }), "{over}");
}

#[tokio::test]
async fn a_socket_cut_in_mid_payment_costs_nothing() {
    let shop = Shop::open().await;
    let link = FaultLink::start(([127, 0, 0, 1], shop.broker.port()).into()).await.unwrap();
    let client = client(&format!("http://{}", link.address()), 1);
    let calling = tokio::spawn({
        let client = client.clone();
        async move { client.call(&ApiCall::get("demo", "/held")).await }
    });
    shop.api.asked(1).await;
    link.cut();
    tokio::time::sleep(Duration::from_millis(300)).await;
    shop.api.release();
    let called = calling.await.unwrap().unwrap();
    assert_eq!((&called.body[..], called.way), (&br#"{"held":true}"#[..], Way::Http));
    assert_eq!((called.paid.atomic(), spent(&client), shop.api.seen().len()), (PRICE, PRICE, 1));
    // The next call opens another socket.
    let free = client.call(&ApiCall::get("nobody", "/")).await.unwrap_err();
    assert!(matches!(free, Error::Status { status: 404, .. }), "{free}");
}

#[tokio::test]
async fn a_call_that_was_given_up_is_collected_by_the_next_one() {
    let shop = Shop::open().await;
    let client = client(&shop.broker.url(""), 1);
    let call = ApiCall::get("demo", "/held");
    tokio::select! {
        _ = client.call(&call) => panic!("answered before it was made"),
        () = shop.api.asked(1) => {}
    }
    shop.api.release();
    let called = client.call(&call).await.unwrap();
    assert_eq!((called.paid.atomic(), spent(&client), shop.api.seen().len()), (PRICE, PRICE, 1));
}

#[tokio::test]
async fn without_a_socket_everything_goes_over_http() {
    let api = Api::start().await;
    let settings = BrokerSettings {
        top: "[[chain]]\nkind = \"dev\"\n".into(),
        limits: "sockets = 1".into(),
        apis: BrokerSettings::api("demo", &api.url(""), "price = \"0.005\""),
        ..BrokerSettings::default()
    };
    let broker = Broker::start(&settings).await;
    let _only = open(&broker.socket_url(), &[]).await.unwrap();
    let client = client(&broker.url(""), 3);
    let body = r#"{"b":1.0,"x":1e400}"#;
    let called = client.call(&ApiCall::post_json("demo", "/echo", body)).await.unwrap();
    assert_eq!((&called.body[..], called.way, called.paid.atomic()), (body.as_bytes(), Way::Http, PRICE));
    let missing = client.call(&ApiCall::get("demo", "/status?404")).await.unwrap();
    assert_eq!((missing.status.as_u16(), missing.paid), (404, Usdc::ZERO));
    assert_eq!(spent(&client), 2 * PRICE);
    let again = client.call(&ApiCall::get("demo", "/status?404")).await.unwrap();
    assert_eq!((again.status.as_u16(), spent(&client)), (404, 2 * PRICE), "the payment was still good");
}

#[tokio::test]
async fn a_broker_that_dies_under_a_payment_is_asked_again_with_the_same() {
    let (facilitator, api) = (facilitator().await, Api::start().await);
    let mut broker = Broker::start(&settled_at(address(&facilitator), "file:broker.db", &api)).await;
    let client = Arc::new(client(&broker.url(""), 1));
    let calling = tokio::spawn({
        let client = Arc::clone(&client);
        async move {
            let call = ApiCall::get("demo", "/held");
            loop {
                match client.call(&call).await {
                    Err(Error::Undecided { .. }) => tokio::time::sleep(Duration::from_millis(500)).await,
                    decided => return decided,
                }
            }
        }
    });
    api.asked(1).await;
    broker.crash_and_restart().await;
    api.release();
    let called = tokio::time::timeout(Duration::from_secs(60), calling).await.unwrap().unwrap().unwrap();
    assert_eq!((&called.body[..], called.paid.atomic()), (&br#"{"held":true}"#[..], PRICE));
    assert_eq!(spent(&client), PRICE, "paid twice");
}

/// A facilitator that is stuck in the middle: the client never signs again.
#[tokio::test]
async fn doubt_is_borne_without_another_payment() {
    let (facilitator, api) = (facilitator().await, Api::start().await);
    let link = FaultLink::start(address(&facilitator)).await.unwrap();
    let broker = Broker::start(&settled_at(link.address(), "memory:", &api)).await;
    let client = client(&broker.url(""), 5);
    let call = ApiCall::get("demo", "/held");
    let calling = tokio::spawn({
        let (client, call) = (client.clone(), call.clone());
        async move { client.call(&call).await }
    });
    api.asked(1).await;
    link.set(Faults { refuse: true, ..Faults::default() });
    link.cut();
    api.release();
    tokio::time::sleep(Duration::from_secs(2)).await;
    link.set(Faults::default());
    let mut outcome = calling.await.unwrap();
    while matches!(outcome, Err(Error::Undecided { .. })) {
        outcome = client.call(&call).await;
    }
    assert_eq!((outcome.unwrap().paid.atomic(), spent(&client), api.seen().len()), (PRICE, PRICE, 1));
}
