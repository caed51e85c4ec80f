//! Paid once, collected anywhere.

use super::shop::{Shop, as_on_chain, buy, paid};
use crate::rig::{frame, send};
use serde_json::json;
use tollwire_tests::agent::Agent;
use tollwire_tests::http::get;
use tollwire_tests::sign_in::sign_in;

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

/// Who has lost quote and claim shows the wallet that paid: over HTTP and in an envelope, once per challenge.
#[tokio::test]
async fn the_payers_wallet_signs_in_and_nobody_elses() {
    let mut shop = Shop::open().await;
    let (payer, stranger) = (Agent::new(), Agent::new());
    let payment = shop.payment(&payer, "/slow?1").await;
    assert_eq!(shop.collect("/slow?1", &payment).await.status, 200);
    let public = as_on_chain(&payment);
    let challenged = shop.collect("/slow?1", &public).await;
    assert_eq!(
        (challenged.status.as_u16(), challenged.header("www-authenticate")),
        (401, Some("SIGN-IN-WITH-X"))
    );
    let challenge = challenged.json();
    let url = shop.broker.url("/relay/demo/slow?1");
    let with = |url: String, proof: String| {
        let (name, value) = (public.header, public.value.clone());
        async move { get(&url, &[(name, &value), ("sign-in-with-x", &proof)]).await }
    };
    let (own, theirs) = (stranger.address(), payer.address());
    for (signer, address) in [(&stranger, &own), (&stranger, &theirs), (&payer, &own)] {
        let refused = with(url.clone(), sign_in(&challenge, signer.key(), address)).await;
        assert_eq!(refused.status, 401, "{refused:?}");
    }
    // A broker that was started again knows what it asked before.
    shop.broker.crash_and_restart().await;
    let proof = sign_in(&challenge, payer.key(), &theirs);
    let collected = with(url.clone(), proof.clone()).await;
    assert_eq!((collected.status.as_u16(), collected.json()), (200, json!({ "slow": 1 })), "{collected:?}");
    assert_eq!(with(url, proof).await.status, 401, "a challenge is good once");

    let mut socket = shop.socket().await;
    let refused = buy(&mut socket, "c1", "/slow?1", &public).await;
    let mut envelope = paid("c2", "/slow?1", &public);
    let proof = sign_in(&refused["error"]["data"], payer.key(), &theirs);
    envelope["params"]["requestHeaders"] = json!({ "SIGN-IN-WITH-X": proof });
    send(&mut socket, &envelope).await;
    let collected = frame(&mut socket).await;
    assert_eq!(
        (&collected["result"], &collected["metadata"]["replayed"]),
        (&json!({ "slow": 1 }), &json!(true))
    );
    assert_eq!(shop.api.seen().len(), 1);
    assert!(shop.api.seen().iter().all(|seen| !seen.headers.contains_key("sign-in-with-x")));
}

/// Until it is being settled a paid call can be taken back, for all who wait for it; the payment stays good.
#[tokio::test]
async fn a_paid_call_is_taken_back_before_it_is_settled() {
    let shop = Shop::open().await;
    let payment = shop.payment(&Agent::new(), "/held").await;
    let (mut one, mut other) = (shop.socket().await, shop.socket().await);
    send(&mut one, &paid("c1", "/held", &payment)).await;
    shop.api.asked(1).await;
    send(&mut other, &paid("c1", "/held", &payment)).await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    send(&mut other, &json!({ "id": "k", "method": "relay.cancel", "params": { "id": "c1" } })).await;
    let (first, second) = (frame(&mut other).await, frame(&mut other).await);
    let codes = [&first, &second, &frame(&mut one).await].map(|frame| frame["error"]["code"].clone());
    assert_eq!(codes.iter().filter(|code| **code == json!(499)).count(), 2, "{first} {second}");
    assert!([&first, &second].iter().any(|frame| frame["result"]["cancelled"] == true), "{first} {second}");
    shop.api.given_up(1).await;
    shop.api.release();
    let sold = buy(&mut one, "c2", "/held", &payment).await;
    assert_eq!(
        (&sold["result"], &sold["metadata"]["settled"]),
        (&json!({ "held": true }), &json!(true)),
        "{sold}"
    );
}
