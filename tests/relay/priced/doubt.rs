//! A facilitator whose answers are lost: doubt is 504, never another bill, and ends when it answers again.

use super::shop::{address, as_on_chain, buy, collect, facilitator, payment, settled_at};
use crate::rig::{code, frame, send};
use serde_json::json;
use std::time::Duration;
use tollwire_testkit::link::{FaultLink, Faults};
use tollwire_tests::agent::Agent;
use tollwire_tests::api::Api;
use tollwire_tests::broker::Broker;
use tollwire_tests::ws::open;

#[tokio::test]
async fn a_settlement_whose_answer_is_lost_is_in_doubt_until_it_is_found() {
    let (facilitator, api) = (facilitator().await, Api::start().await);
    let link = FaultLink::start(address(&facilitator)).await.unwrap();
    let broker = Broker::start(&settled_at(link.address(), "memory:", &api)).await;
    let payment = payment(&broker, &Agent::new(), "/held").await;
    let mut socket = open(&broker.socket_url(), &[]).await.unwrap();
    send(&mut socket, &super::shop::paid("c1", "/held", &payment)).await;
    api.asked(1).await;
    // It has verified. What is asked of it from here on goes through, and what it answers does not come back.
    link.set(Faults { delay: Duration::from_millis(700), ..Faults::default() });
    api.release();
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    link.set(Faults { refuse: true, ..Faults::default() });
    link.cut();
    let doubt = frame(&mut socket).await;
    let unknown = json!({ "id": "c1", "error": {
        "code": 504, "message": "settlement_unknown", "data": { "retry": "same-payment" },
    } });
    assert_eq!(doubt, unknown);
    let again = buy(&mut socket, "c1", "/held", &payment).await;
    assert_eq!(again, unknown, "never another bill");
    let over_http = collect(&broker, "/held", &payment).await;
    assert_eq!((over_http.status.as_u16(), over_http.json()["retry"].clone()), (504, json!("same-payment")));

    link.set(Faults::default());
    let mut answered = collect(&broker, "/held", &payment).await;
    for _ in 0..20 {
        if answered.status != 504 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        answered = collect(&broker, "/held", &payment).await;
    }
    assert_eq!((answered.status.as_u16(), answered.json()), (200, json!({ "held": true })), "{answered:?}");
    assert_eq!(answered.decoded("payment-response")["success"], true);
    assert_eq!(api.seen().len(), 1, "the API was asked again");
    let stranger = buy(&mut socket, "c1", "/held", &as_on_chain(&payment)).await;
    assert_eq!(code(&stranger, "c1"), 401, "{stranger}");
}

/// Nobody asks again, and yet it is written down: the broker asks after it by itself.
#[tokio::test]
async fn a_payment_in_doubt_is_asked_after_by_itself() {
    let (facilitator, api) = (facilitator().await, Api::start().await);
    let link = FaultLink::start(address(&facilitator)).await.unwrap();
    let broker = Broker::start(&settled_at(link.address(), "file:broker.db", &api)).await;
    let payment = payment(&broker, &Agent::new(), "/held").await;
    let mut socket = open(&broker.socket_url(), &[]).await.unwrap();
    send(&mut socket, &super::shop::paid("c1", "/held", &payment)).await;
    api.asked(1).await;
    link.set(Faults { refuse: true, ..Faults::default() });
    link.cut();
    api.release();
    assert_eq!(code(&frame(&mut socket).await, "c1"), 504);
    link.set(Faults::default());
    tokio::time::sleep(Duration::from_secs(8)).await;
    // Now nobody can settle it any more; so what is answered was.
    link.set(Faults { refuse: true, ..Faults::default() });
    link.cut();
    let sold = buy(&mut socket, "c2", "/held", &payment).await;
    assert_eq!(
        (&sold["result"], &sold["metadata"]["replayed"]),
        (&json!({ "held": true }), &json!(true)),
        "{sold}"
    );
}
