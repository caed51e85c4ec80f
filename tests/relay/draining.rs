//! SIGTERM, SIGHUP, kill -9.

use crate::rig::{Rig, ask, code, ended, frame, get, send};
use serde_json::json;
use std::time::{Duration, Instant};
use tollwire_tests::broker::BrokerSettings;
use tollwire_tests::http;
use tollwire_tests::ws::try_open;

const SOON: Duration = Duration::from_secs(15);

#[tokio::test]
async fn calls_in_flight_finish_and_every_socket_gets_1001() {
    let mut rig = Rig::start().await;
    let (mut idle, mut busy) = (rig.open().await, rig.open().await);
    send(&mut busy, &get(1, "/held")).await;
    rig.api.asked(1).await;
    assert_eq!(http::get(&rig.broker.admin_url("/readyz"), &[]).await.status, 200);
    rig.broker.signal("TERM").await;
    assert_eq!(ended(&mut idle).await, 1001, "at once");
    assert_eq!(http::get(&rig.broker.admin_url("/readyz"), &[]).await.status, 503);
    assert!(!matches!(try_open(&rig.broker.socket_url(), &[]).await, Ok(Ok(_))), "a new connection");
    assert_eq!(code(&ask(&mut busy, &get(2, "/echo")).await, 2), 503);
    rig.api.release();
    assert_eq!(frame(&mut busy).await["result"], json!({ "held": true }));
    assert_eq!(ended(&mut busy).await, 1001);
    assert!(rig.broker.exit(SOON).await.success());
}

#[tokio::test]
async fn calls_that_take_too_long_do_not_hold_up_a_stop() {
    let mut rig = Rig::limited("drain = \"1s\"").await;
    let mut busy = rig.open().await;
    send(&mut busy, &get(1, "/held")).await;
    rig.api.asked(1).await;
    let begun = Instant::now();
    rig.broker.signal("TERM").await;
    assert_eq!(ended(&mut busy).await, 1001);
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
    assert!(rig.broker.exit(SOON).await.success());
}

#[tokio::test]
async fn after_a_kill_a_client_connects_again_and_goes_on() {
    let mut rig = Rig::start().await;
    let mut socket = rig.open().await;
    assert_eq!(ask(&mut socket, &get(1, "/status?200")).await["metadata"]["status"], 200);
    rig.broker.crash_and_restart().await;
    assert_eq!(ended(&mut socket).await, 1006);
    let mut socket = rig.open().await;
    assert_eq!(ask(&mut socket, &get(1, "/status?200")).await["metadata"]["status"], 200);
}

#[tokio::test]
async fn sighup_takes_other_apis_and_a_broken_file_changes_nothing() {
    let mut rig = Rig::start().await;
    let mut socket = rig.open().await;
    let mut shop = get(1, "/status?200");
    shop["params"]["apiId"] = json!("shop");
    assert_eq!(code(&ask(&mut socket, &shop).await, 1), 404);
    let apis = BrokerSettings::api("shop", &rig.api.url(""), "");
    rig.broker.reconfigure(&BrokerSettings { apis, ..BrokerSettings::default() });
    rig.broker.signal("HUP").await;
    let taken = async {
        while ask(&mut socket, &shop).await["metadata"]["status"] != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SOON, taken).await.expect("not reloaded");
    assert_eq!(code(&ask(&mut socket, &get(2, "/echo")).await, 2), 404, "demo is gone");
    rig.broker.reconfigure(&BrokerSettings { apis: "[[api]]\nid = 5".into(), ..BrokerSettings::default() });
    rig.broker.signal("HUP").await;
    rig.broker.line("the old one stays in force").await;
    assert_eq!(ask(&mut socket, &shop).await["metadata"]["status"], 200);
}
