//! SIGTERM: no new upgrades, settlements finish, live streams get 1001 at the deadline; SIGHUP: new prices.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::time::{Duration, Instant};
use tollwire_testkit::feed::{Message, Mode, SampleFeed};
use tollwire_tests::agent::{Agent, bill};
use tollwire_tests::facilitator::Facilitator;
use tollwire_tests::http::{get, try_send};
use tollwire_tests::settings::{Feed, Settings};
use tollwire_tests::ws::open;

#[tokio::test]
async fn live_streams_go_on_until_the_deadline_and_end_with_1001() {
    let feed = SampleFeed::start(Mode::Echo).await.unwrap();
    let mut settings = Settings::dev(vec![Feed::ticks(feed.url("/"))]);
    settings.limits = "drain = \"2s\"".into();
    let mut facilitator = Facilitator::start(settings).await;
    let paid = Agent::new().buy(&facilitator.url("/feeds/ticks/session"), 100_000).await;
    let token = paid.json()["token"].as_str().unwrap().to_owned();
    let url = facilitator.ws_url(&format!("/feeds/ticks/ws?token={token}"));
    let mut stream = open(&url, &[]).await.unwrap();
    facilitator.signal("TERM").await;
    let told = Instant::now();
    stream.echo(Message::text("still here")).await;
    let refused = try_send(http::Method::GET, &facilitator.url("/feeds"), &[], "").await;
    assert!(refused.is_err_and(|_| told.elapsed() < Duration::from_secs(2)), "a new connection was accepted");
    let ended = stream.ended_within(Duration::from_secs(10)).await;
    assert_eq!(ended.code, 1001);
    assert!(told.elapsed() >= Duration::from_millis(1_500), "{:?}", told.elapsed());
    assert!(facilitator.exit(Duration::from_secs(10)).await.success());

    facilitator.restart().await;
    let online = get(&facilitator.url("/session"), &[("authorization", &format!("Bearer {token}"))]).await;
    assert_eq!(online.json()["units_remaining"], 9, "{online:?}");
    assert_eq!(online.json()["live_streams"], 0);
}

#[tokio::test]
async fn sighup_takes_new_prices_and_keeps_old_offers_good() {
    let settings = Settings::dev(vec![Feed::ticks("ws://127.0.0.1:9/")]);
    let mut facilitator = Facilitator::start(settings.clone()).await;
    let url = facilitator.url("/feeds/ticks/session");
    let old = Agent::new().payment(&url, 10_000).await;
    let dearer = Feed { price: "0.02", ..settings.feeds[0].clone() };
    facilitator.reconfigure(Settings { feeds: vec![dearer], ..settings.clone() });
    facilitator.signal("HUP").await;
    let mut amounts = Vec::new();
    for _ in 0..100 {
        let bill = bill(&url).await;
        amounts = bill["accepts"].as_array().unwrap().iter().map(|offer| offer["amount"].clone()).collect();
        if amounts == ["2000000", "200000", "20000"] {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(amounts, ["2000000", "200000", "20000"]);
    let paid = get(&url, &[(old.header, &old.value)]).await;
    assert_eq!(paid.status, 200, "an offer stays good for its time: {paid:?}");
    assert_eq!(paid.json()["session"]["units_remaining"], 1);

    std::fs::write(facilitator.folder().join("facilitator.toml"), "listen = 5").unwrap();
    facilitator.signal("HUP").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(get(&url, &[]).await.status, 402, "a broken file changes nothing");
}
