//! Paid once, collected anywhere.

use super::shop::{Shop, as_on_chain, buy, paid};
use crate::rig::{frame, send};
use serde_json::json;
use tollwire_tests::agent::Agent;

#[tokio::test]
async fn the_same_payment_gets_the_same_answer_over_every_way() {
    let shop = Shop::open().await;
    let payment = shop.payment(&Agent::new(), "/slow?1").await;
    let first = buy(&mut shop.socket().await, "c1", "/slow?1", &payment).await;
    assert_eq!(first["metadata"]["settled"], true, "{first}");
    let again = buy(&mut shop.socket().await, "c2", "/slow?1", &payment).await;
    assert_eq!((&again["id"], &again["metadata"]["replayed"]), (&json!("c2"), &json!(true)));
    assert_eq!((&again["result"], &again["paymentResponse"]), (&first["result"], &first["paymentResponse"]));
    let over_http = shop.collect("/slow?1", &payment).await;
    assert_eq!((over_http.status.as_u16(), over_http.header("tollwire-replayed")), (200, Some("true")));
    assert_eq!(over_http.json(), first["result"]);
    assert_eq!(over_http.decoded("payment-response"), first["paymentResponse"]);
    assert_eq!(shop.api.seen().len(), 1, "the API was asked again");
}

#[tokio::test]
async fn fifty_who_ask_at_once_share_one_call_whether_or_not_they_have_the_quote() {
    let shop = Shop::open().await;
    let payment = shop.payment(&Agent::new(), "/held").await;
    let mut sockets = Vec::new();
    for number in 0..50 {
        let mut socket = shop.socket().await;
        let presented = if number % 2 == 0 { payment.clone() } else { as_on_chain(&payment) };
        send(&mut socket, &paid(number, "/held", &presented)).await;
        sockets.push(socket);
    }
    shop.api.asked(1).await;
    // All of them have asked before the payment can have been public.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    shop.api.release();
    let mut transactions = std::collections::BTreeSet::new();
    for (number, socket) in sockets.iter_mut().enumerate() {
        let sold = frame(socket).await;
        assert_eq!((&sold["id"], &sold["result"]), (&json!(number), &json!({ "held": true })), "{sold}");
        transactions.insert(sold["paymentResponse"]["transaction"].to_string());
    }
    assert_eq!((shop.api.seen().len(), transactions.len()), (1, 1));
}

#[tokio::test]
async fn a_call_survives_its_socket_and_its_http_client() {
    let shop = Shop::open().await;
    let (first, second) =
        (shop.payment(&Agent::new(), "/slow?600").await, shop.payment(&Agent::new(), "/slow?600").await);
    let mut socket = shop.socket().await;
    send(&mut socket, &paid(1, "/slow?600", &first)).await;
    shop.api.asked(1).await;
    drop(socket);
    let collected = shop.collect("/slow?600", &first).await;
    assert_eq!((collected.status.as_u16(), collected.json()), (200, json!({ "slow": 600 })), "{collected:?}");

    let url = shop.broker.url("/relay/demo/slow?600");
    let headers = [(second.header, second.value.as_str())];
    let waiting = tollwire_tests::http::try_get(&url, &headers);
    tokio::select! {
        _ = waiting => panic!("answered before it was made"),
        () = shop.api.asked(2) => {}
    }
    let sold = buy(&mut shop.socket().await, "c1", "/slow?600", &second).await;
    assert_eq!(sold["result"], json!({ "slow": 600 }), "{sold}");
    assert_eq!(shop.api.seen().len(), 2, "a call was made again");
}

#[tokio::test]
async fn an_answer_that_is_too_long_to_keep_is_told_of() {
    let shop = Shop::open().await;
    let path = "/bytes?300000";
    let payment = shop.payment(&Agent::new(), path).await;
    let first = shop.collect(path, &payment).await;
    assert_eq!((first.status.as_u16(), first.body.len()), (200, 300_000));
    let again = shop.collect(path, &payment).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (200, 0));
    assert_eq!(again.header("tollwire-body"), Some("not_retained"));
    assert_eq!(again.decoded("payment-response"), first.decoded("payment-response"));
    let sold = buy(&mut shop.socket().await, "c1", path, &payment).await;
    assert_eq!(
        (&sold["result"], &sold["metadata"]["body"]),
        (&json!(null), &json!("not_retained")),
        "{sold}"
    );
}
