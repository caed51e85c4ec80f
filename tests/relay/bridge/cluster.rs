//! Two brokers on one Redis Cluster are one bridge, also when the primary that has all of it dies.

use super::rig::{Bridge, id};
use serde_json::json;
use std::time::Duration;
use tollwire_testkit::redis::RedisCluster;

#[tokio::test]
async fn an_event_and_its_answer_survive_the_primary_that_had_them() {
    let mut cluster = RedisCluster::start().await.unwrap();
    let store = format!("store = \"{}\"", cluster.url());
    let (one, other) = tokio::join!(Bridge::with(&store, ""), Bridge::with(&store, ""));
    let (mut athena, _) = other.agent("athena").await;
    let (mut portal, _) = one.app("portal").await;
    // Until each node has heard of what the other has.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    for round in 0..5 {
        let event = portal.accepted("athena", "t", "1").await;
        assert_eq!(id(&athena.heard("event").await), event);
        athena.reply(&event, &format!("answer {round}")).await;
        assert_eq!(id(&portal.heard("reply").await), event);
    }

    let event = portal.accepted("athena", "t", "2").await;
    athena.heard("event").await;
    // Its rows do not wait for replicas: they get them a moment later.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (_, home) = cluster.home("{tollwire:relay:}epoch").await.unwrap();
    cluster.server(home).unwrap().kill9().await.unwrap();
    athena.reply(&event, "while the heir was chosen").await;
    let reply = portal.heard("reply").await;
    assert_eq!((id(&reply), &reply["content"]), (event, &json!("while the heir was chosen")));
    let event = portal.accepted("athena", "t", "3").await;
    assert_eq!(id(&athena.heard("event").await), event);
}
