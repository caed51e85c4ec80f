//! kill -9 in the middle of a payment, and collecting after it.

use super::shop::{address, collect, facilitator, paid, payment, settled_at};
use crate::rig::{ask, code, frame, send};
use serde_json::json;
use std::time::Duration;
use tollwire_testkit::link::{FaultLink, Faults};
use tollwire_tests::agent::Agent;
use tollwire_tests::api::Api;
use tollwire_tests::broker::Broker;
use tollwire_tests::http::Answer;
use tollwire_tests::ws::open;

/// Collects until it is there.
async fn collected(broker: &Broker, path: &str, payment: &tollwire_tests::agent::Payment) -> Answer {
    for _ in 0..60 {
        let answer = collect(broker, path, payment).await;
        assert_ne!(answer.status, 402, "another bill: {answer:?}");
        if answer.status == 200 {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("not collected in time");
}

#[tokio::test]
async fn killed_while_the_api_was_asked() {
    let (facilitator, api) = (facilitator().await, Api::start().await);
    let mut broker = Broker::start(&settled_at(address(&facilitator), "file:broker.db", &api)).await;
    let payment = payment(&broker, &Agent::new(), "/held").await;
    let mut socket = open(&broker.socket_url(), &[]).await.unwrap();
    send(&mut socket, &paid(1, "/held", &payment)).await;
    api.asked(1).await;
    broker.crash_and_restart().await;
    api.release();
    let answer = collected(&broker, "/held", &payment).await;
    assert_eq!(answer.json(), json!({ "held": true }));
    assert_eq!(answer.decoded("payment-response")["success"], true);
    let again = collected(&broker, "/held", &payment).await;
    assert_eq!(again.decoded("payment-response"), answer.decoded("payment-response"));
    assert_eq!(api.seen().len(), 2, "once by each life of the broker, and never after it was paid");
}

#[tokio::test]
async fn killed_while_it_was_settled() {
    let (facilitator, api) = (facilitator().await, Api::start().await);
    let link = FaultLink::start(address(&facilitator)).await.unwrap();
    let mut broker = Broker::start(&settled_at(link.address(), "file:broker.db", &api)).await;
    let payment = payment(&broker, &Agent::new(), "/held").await;
    let mut socket = open(&broker.socket_url(), &[]).await.unwrap();
    send(&mut socket, &paid(1, "/held", &payment)).await;
    api.asked(1).await;
    // The question reaches the facilitator; its answer stays on the way.
    link.set(Faults { delay: Duration::from_millis(700), ..Faults::default() });
    api.release();
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    broker.crash_and_restart().await;
    link.set(Faults::default());
    let answer = tokio::time::timeout(Duration::from_secs(90), collected(&broker, "/held", &payment)).await;
    let answer = answer.unwrap();
    assert_eq!((answer.json(), answer.header("tollwire-replayed")), (json!({ "held": true }), Some("true")));
    assert_eq!(api.seen().len(), 1, "the API was asked again for a call that may have been settled");
}

#[tokio::test]
async fn what_is_being_settled_is_not_taken_back() {
    let (facilitator, api) = (facilitator().await, Api::start().await);
    let link = FaultLink::start(address(&facilitator)).await.unwrap();
    let broker = Broker::start(&settled_at(link.address(), "memory:", &api)).await;
    let payment = payment(&broker, &Agent::new(), "/held").await;
    let mut socket = open(&broker.socket_url(), &[]).await.unwrap();
    send(&mut socket, &paid(1, "/held", &payment)).await;
    api.asked(1).await;
    link.set(Faults { delay: Duration::from_millis(1_000), ..Faults::default() });
    api.release();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let cancel = json!({ "id": "k", "method": "relay.cancel", "params": { "id": 1 } });
    assert_eq!(code(&ask(&mut socket, &cancel).await, "k"), 409);
    let sold = frame(&mut socket).await;
    assert_eq!((&sold["id"], &sold["metadata"]["settled"]), (&json!(1), &json!(true)), "{sold}");
}
