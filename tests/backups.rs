//! `facilitator backup` and `restore`, beside a running node and without one.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use http::Method;
use std::fs;
use std::path::Path;
use tokio::process::Command;
use tollwire_testkit::feed::{Message, Mode};
use tollwire_testkit::redis::RedisServer;
use tollwire_tests::facilitator::{ADMIN_TOKEN, Facilitator, binary};
use tollwire_tests::http::get;
use tollwire_tests::settings::Store;
use tollwire_tests::world::World;
use tollwire_tests::ws::open;

/// Runs the binary on a node's configuration; whether it succeeded, and all it said.
async fn command(node: &Facilitator, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(binary());
    command.args(arguments).args(["--config", "facilitator.toml"]).current_dir(node.folder());
    let output = command.env("TOLLWIRE_ADMIN_TOKEN", ADMIN_TOKEN).output().await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

async fn succeeds(node: &Facilitator, arguments: &[&str]) -> String {
    let (success, said) = command(node, arguments).await;
    assert!(success, "{said}");
    said
}

/// The log of a store that is in use.
const LOG: &str = "facilitator.db.wal";

async fn is_refused(node: &Facilitator, arguments: &[&str], why: &str) {
    let (success, said) = command(node, arguments).await;
    assert!(!success && said.contains(why), "{said}");
}

/// Uses so many units of a session.
async fn use_streams(world: &World, token: &str, streams: usize) {
    for _ in 0..streams {
        let mut stream = open(&world.ws(token), &[]).await.unwrap();
        stream.echo(Message::text("used")).await;
        stream.close().await;
    }
    world.settled(token, std::time::Duration::from_secs(10)).await;
}

/// Moves what a killed node leaves of its store, and registered feeds, away, as a lost disk would.
fn lose(folder: &Path) {
    for name in ["facilitator.db", LOG, "registered-feeds.json"] {
        fs::rename(folder.join(name), folder.join(format!("{name}.lost"))).unwrap();
    }
}

#[tokio::test]
async fn a_copy_made_beside_a_running_node_brings_sessions_and_feeds_back() {
    let mut world = World::start(Mode::Echo, |_| {}).await;
    let token = world.token(10).await;
    use_streams(&world, &token, 3).await;
    let other = r#"{"id":"other","upstream":"ws://127.0.0.1:9/","price":"0.02"}"#;
    assert_eq!(world.admin(Method::POST, "/admin/feeds", other).await.status, 201);
    let said = succeeds(&world.facilitator, &["backup", "--out", "monday.db"]).await;
    assert!(said.contains("monday.db.feeds.json has the registered feeds"), "{said}");
    is_refused(&world.facilitator, &["backup", "--out", "monday.db"], "exists already").await;
    is_refused(&world.facilitator, &["restore", "--from", "monday.db"], "exists; stop the node").await;

    // The node goes on; what it sells from now on is not in the copy.
    use_streams(&world, &token, 2).await;
    assert_eq!(world.remaining(&token).await, 5);
    world.facilitator.kill().await;
    lose(world.facilitator.folder());
    // What it had not moved into the store may be all that there is of somebody's last payment.
    let log = world.facilitator.folder().join(LOG);
    fs::write(&log, "").unwrap();
    is_refused(&world.facilitator, &["restore", "--from", "monday.db"], "facilitator.db.wal: exists").await;
    fs::remove_file(&log).unwrap();
    let said = succeeds(&world.facilitator, &["restore", "--from", "monday.db"]).await;
    assert!(said.contains("is back, with 1 sessions"), "{said}");
    assert!(!world.facilitator.folder().join("facilitator.db.restoring").exists());
    world.facilitator.restart().await;
    assert_eq!(world.remaining(&token).await, 7);
    use_streams(&world, &token, 1).await;
    assert_eq!(world.remaining(&token).await, 6);
    let feeds = get(&world.facilitator.url("/feeds"), &[]).await.json();
    assert!(feeds.to_string().contains(r#""id":"other""#), "{feeds}");
    let books = succeeds(&world.facilitator, &["ledger", "balance"]).await;
    assert!(books.contains("The trial balance is zero."), "{books}");
}

#[tokio::test]
async fn without_a_node_the_command_copies_by_itself_and_takes_no_garbage_back() {
    let mut world = World::start(Mode::Echo, |_| {}).await;
    let token = world.token(1).await;
    world.facilitator.kill().await;
    let folder = world.facilitator.folder().to_owned();
    succeeds(&world.facilitator, &["backup", "--out", "copy.db"]).await;
    fs::rename(folder.join("facilitator.db"), folder.join("lost.db")).unwrap();
    is_refused(&world.facilitator, &["backup", "--out", "none.db"], "does not exist").await;

    let whole = fs::read(folder.join("copy.db")).unwrap();
    fs::write(folder.join("empty"), "").unwrap();
    fs::write(folder.join("text"), "not a store").unwrap();
    fs::write(folder.join("torn"), &whole[..whole.len() / 2]).unwrap();
    for bad in ["empty", "text", "torn", "missing"] {
        is_refused(&world.facilitator, &["restore", "--from", bad], bad).await;
        assert!(!folder.join("facilitator.db").exists(), "{bad} became the store");
        assert!(!folder.join("facilitator.db.restoring").exists(), "{bad} was left behind");
    }
    succeeds(&world.facilitator, &["restore", "--from", "copy.db"]).await;
    world.facilitator.restart().await;
    assert_eq!(world.remaining(&token).await, 1);
}

#[tokio::test]
async fn what_the_admin_api_cannot_copy_it_refuses_with_the_reason() {
    let redis = RedisServer::start().await.unwrap();
    let world = World::start(Mode::Echo, |settings| settings.store = Store::Redis(redis.url())).await;
    is_refused(&world.facilitator, &["backup", "--out", "copy.db"], "the store is no file").await;
    let refused = world.admin(Method::POST, "/admin/backup", r#"{"path":"/tmp/never"}"#).await;
    assert_eq!(
        (refused.status.as_u16(), refused.json()["type"].as_str()),
        (409, Some("urn:tollwire:problem:no-file-store"))
    );

    let world = World::start(Mode::Echo, |_| {}).await;
    for (body, status) in [
        ("", 400),
        (r#"{"path":"relative.db"}"#, 400),
        (r#"{"path":"/no/such/folder/copy.db"}"#, 422),
        (r#"{"path":"/dev/null"}"#, 422),
    ] {
        let refused = world.admin(Method::POST, "/admin/backup", body).await;
        assert_eq!(refused.status, status, "{body}: {refused:?}");
    }
}
