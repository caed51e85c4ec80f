//! Every view on a phone and on a desktop, light and dark.

use crate::rig::{is_sound, look};
use serde_json::json;
use std::time::Duration;
use tollwire_testkit::feed::{Mode, SampleFeed};
use tollwire_tests::agent::Agent;
use tollwire_tests::facilitator::Facilitator;
use tollwire_tests::settings::{Feed, Settings};

#[tokio::test(flavor = "multi_thread")]
async fn every_view_has_no_serious_fault_and_fits_a_phone() {
    let upstream = SampleFeed::start(Mode::Ticks(Duration::from_millis(50))).await.unwrap();
    let sold = |id, price, deposit_units, more| Feed {
        id,
        price,
        deposit_units,
        more,
        upstream: upstream.url("/stream"),
    };
    let node = Facilitator::start(Settings::dev(vec![
        sold("trades", "0.0001", "[9000, 500]", "unit = \"message\"\ndescription = \"All trades, live\""),
        sold("order-book", "0.002", "[400, 40]", "unit = \"second\"\ndescription = \"Depth, ten levels\""),
        sold("news", "0.05", "[20, 2]", "paused = true\ndescription = \"Headlines\""),
    ]))
    .await;
    for (feed, amount) in [("trades", 900_000), ("order-book", 80_000), ("trades", 50_000)] {
        let agent = Agent::new();
        let paid = agent.buy(&node.url(&format!("/feeds/{feed}/session")), amount).await;
        assert_eq!(paid.status, 200, "{paid:?}");
    }
    let seen = look("looks", &node)
        .env("FEED", "trades")
        .env("VIEWS", "Overview,Sessions,Feeds,Money,Chains")
        .result()
        .await;
    is_sound(&seen, &node.admin_url(""));
    assert_eq!(seen["wide"], json!([]), "nothing is wider than its screen");
}
