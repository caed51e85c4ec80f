//! An operator signs in, sells a feed, watches it being used, revokes, pays out.

use crate::rig::{is_sound, look};
use serde_json::json;
use std::time::Duration;
use tollwire_testkit::feed::{Mode, SampleFeed};
use tollwire_tests::facilitator::Facilitator;
use tollwire_tests::settings::{PROVIDER, Settings};

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sells_watches_revokes_and_pays() {
    let upstream = SampleFeed::start(Mode::Ticks(Duration::from_millis(150))).await.unwrap();
    let node = Facilitator::start(Settings::dev(Vec::new())).await;
    let seen = look("walk", &node).env("UPSTREAM", upstream.url("/stream")).result().await;
    is_sound(&seen, &node.admin_url(""));
    let wrong = json!({ "besideTheField": true, "invalid": "true", "kept": 0, "dataShown": 0 });
    assert_eq!(seen["wrong"], wrong, "a wrong token");
    assert_eq!((&seen["cookies"], &seen["local"], &seen["keptAfter"]), (&json!(0), &json!(0), &json!(0)));
    let error = seen["fieldError"].as_str().unwrap();
    assert!(error.contains("ws"), "the error beside its field says what to write: {error}");
    let hostile = json!({ "shownAsText": 1, "images": 0, "title": "Feeds · Tollwire facilitator" });
    assert_eq!(seen["hostile"], hostile, "a description is text");

    let fall: Vec<u64> = seen["fall"].as_array().unwrap().iter().map(|left| left.as_u64().unwrap()).collect();
    assert!(fall.is_sorted_by(|a, b| a > b), "units left: {fall:?}");
    assert_eq!((&seen["ended"]["code"], &seen["leftAtTheEnd"]), (&json!(4008), &json!(0)));
    assert_eq!((&seen["askedFirst"], &seen["revoked"]["code"]), (&json!(1), &json!(4001)));
    assert!(seen["focusReturned"].as_str().unwrap().starts_with("Details of session"), "{seen}");

    assert_eq!(seen["unticked"], 1, "nothing is sent by one click");
    assert!(seen["payout"].as_str().unwrap().contains(PROVIDER), "{}", seen["payout"]);
    let csv = seen["csv"].as_str().unwrap();
    assert!(csv.starts_with("account,number,network,to,state,amount"), "{csv}");
    assert!(csv.contains(PROVIDER) && csv.contains(",paid,"), "{csv}");

    assert_eq!(seen["paused"]["status"], 503, "{}", seen["paused"]);
    assert_eq!(seen["paused"]["body"]["type"], "urn:tollwire:problem:feed-paused");
    assert_eq!(seen["resumed"], 402);
}
