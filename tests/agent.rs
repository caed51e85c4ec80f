//! The command `tollwire` against a facilitator on the dev chain: budget, top-ups, resume, receipts, exit codes.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use serde_json::Value;
use std::time::Duration;
use tollwire_testkit::feed::Mode;
use tollwire_tests::tollwire::{run, start};
use tollwire_tests::world::World;

const PATIENCE: Duration = Duration::from_secs(30);

/// A key nobody used before.
fn key() -> String {
    hex::encode(tollwire_tests::agent::fresh_nonce())
}

/// A feed of ticks at a cent a message, in deposits of ten.
async fn by_message(every: Duration) -> World {
    World::start(Mode::Ticks(every), |settings| {
        settings.feeds[0].deposit_units = "[10]";
        settings.feeds[0].more = "unit = \"message\"";
    })
    .await
}

/// Two deposits fit into the budget: twenty messages, the second deposit paid without a reconnect, and then code 3.
#[tokio::test]
async fn a_stream_tops_up_in_band_until_its_budget_is_spent() {
    // Slow enough for the payment to arrive within the last two units, also on a busy machine.
    let world = by_message(Duration::from_millis(300)).await;
    let folder = tempfile::tempdir().unwrap();
    let url = world.facilitator.url("/feeds/ticks");
    let arguments = [
        "stream",
        &url,
        "--max",
        "0.25",
        "--per-payment",
        "0.10",
        "--key",
        "random",
        "--events",
        "json",
        "--receipts",
        "receipts",
    ];
    let (code, out, told) = run(&arguments, folder.path(), None).await;
    assert_eq!(code, 3, "{told}");
    let ticks: Vec<&str> = out.lines().collect();
    assert_eq!(ticks.len(), 20, "{out}{told}");
    assert_eq!(ticks.last(), Some(&r#"{"tick":20}"#), "one stream from the first tick to the last");
    let events: Vec<Value> = told.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let named = |name: &str| events.iter().filter(|event| event["event"] == name).count();
    assert_eq!((named("opened"), named("topped-up"), named("renewed")), (1, 1, 0), "{told}");
    assert!(named("low") >= 1 && named("unpaid") >= 1 && named("exhausted") == 1, "{told}");
    assert_eq!(events.last().unwrap()["spent"], "200000", "{told}");
    assert_eq!(events.last().unwrap()["units"], 0, "{told}");
    // What the facilitator signed stands on its own.
    let (code, claims, problem) = run(&["receipt", "verify", "receipts"], folder.path(), None).await;
    assert_eq!(code, 0, "{problem}");
    let last: Value = serde_json::from_str(claims.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["bought"], &last["used"], &last["used_amount"]),
        (&20.into(), &20.into(), &"200000".into())
    );
}

#[tokio::test]
async fn kill_9_and_resume_goes_on_without_paying() {
    let world = by_message(Duration::from_millis(200)).await;
    let folder = tempfile::tempdir().unwrap();
    let (url, key) = (world.facilitator.url("/feeds/ticks"), key());
    let arguments = ["stream", &url, "--max", "0.10", "--resume", "state", "--events", "json"];
    let mut first = start(&arguments, folder.path(), Some(&key));
    first.wait_for_line(r#""tick":2"#, PATIENCE).await.unwrap();
    first.kill().await.unwrap();
    let kept = std::fs::read_to_string(folder.path().join("state")).unwrap();
    assert!(!kept.contains(&key), "the wallet's key is not kept");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(folder.path().join("state")).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    let mut second = start(&arguments, folder.path(), Some(&key));
    second.wait_for_line(r#""tick":2"#, PATIENCE).await.unwrap();
    second.signal("TERM").await.unwrap();
    assert!(second.exit(PATIENCE).await.unwrap().success(), "{:?}", second.lines());
    let told = second.lines().join("\n");
    assert!(told.contains(r#""paid":"0""#) && told.contains(r#""spent":"100000""#), "{told}");
    // A life without the file signs in: same session, nothing paid.
    let arguments = ["session", &url, "--max", "0.10", "--sign-in"];
    let (code, out, problem) = run(&arguments, folder.path(), Some(&key)).await;
    assert_eq!(code, 0, "{problem}");
    let session: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(session["paid"], "0", "{session}");
    let left = &session["session"]["units_remaining"];
    assert!(left.as_u64().unwrap() < 8, "ten less two of the first life and two of this: {session}");
    assert!(
        told.contains(&format!(r#""units":{left}}}"#)),
        "what is left, not what was there at the start: {told}"
    );
    let kept: Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(session["session"]["jti"], kept["session"]["jti"]);
}

#[tokio::test]
async fn sessions_are_bought_topped_up_and_bound() {
    let world = by_message(Duration::from_secs(60)).await;
    let folder = tempfile::tempdir().unwrap();
    let (url, key) = (world.facilitator.url("/feeds/ticks/session"), key());
    let bound = ["--max", "1", "--resume", "state", "--dpop=dpop.pem"];
    let (code, out, problem) =
        run(&[&["session", url.as_str()][..], &bound].concat(), folder.path(), Some(&key)).await;
    assert_eq!(code, 0, "{problem}");
    let session: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&session["token_type"], &session["paid"]), (&"DPoP".into(), &"100000".into()));
    let (code, out, problem) = run(&[&["top-up"][..], &bound].concat(), folder.path(), Some(&key)).await;
    assert_eq!(code, 0, "{problem}");
    let topped: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(topped["session"]["jti"], session["session"]["jti"]);
    assert_eq!((&topped["session"]["units_remaining"], &topped["paid"]), (&20.into(), &"100000".into()));
    // Genuine, until a letter of it is another.
    let receipt = topped["receipt"].as_str().unwrap();
    std::fs::write(folder.path().join("receipt"), receipt).unwrap();
    let (code, ..) = run(&["receipt", "verify", "receipt"], folder.path(), None).await;
    assert_eq!(code, 0);
    let (head, tail) = receipt.split_at(receipt.len() / 2);
    let swapped = if tail.starts_with('A') { "B" } else { "A" };
    std::fs::write(folder.path().join("receipt"), format!("{head}{swapped}{}", &tail[1..])).unwrap();
    let (code, ..) = run(&["receipt", "verify", "receipt"], folder.path(), None).await;
    assert_eq!(code, 4);
}

#[tokio::test]
async fn exit_codes_tell_why() {
    let world = by_message(Duration::from_secs(60)).await;
    let folder = tempfile::tempdir().unwrap();
    let (feed, unknown) = (world.facilitator.url("/feeds/ticks"), world.facilitator.url("/feeds/none"));
    let key = key();
    for (arguments, expected) in [
        (vec!["stream"], 64),
        (vec!["stream", &feed, "--max", "lots"], 64),
        (vec!["stream", &feed, "--max", "1", "--key", &key], 64),
        (vec!["stream", &feed, "--max", "1"], 64),
        (vec!["stream", "http://pay.example/feeds/x", "--max", "1", "--key", "random"], 64),
        (vec!["stream", &feed, "--max", "0.01", "--key", "random"], 3),
        (vec!["stream", &unknown, "--max", "1", "--key", "random"], 4),
        (vec!["stream", &feed, "--max", "1", "--key", "random", "--network", "base"], 4),
        (vec!["top-up", "--max", "1", "--key", "random"], 64),
        (vec!["--help"], 0),
    ] {
        let (code, _, problem) = run(&arguments, folder.path(), None).await;
        assert_eq!(code, expected, "{arguments:?}: {problem}");
        assert!(!problem.contains(&key), "a key is never repeated: {problem}");
    }
}
