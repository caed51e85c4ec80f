//! Agent sessions of one node: in memory, in a file, and in a file that was opened again.

#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

mod asp_common;

use tollwire_ledger::{Clock as _, SystemClock};
use tollwire_relay::asp::store::{EmbeddedSessions, Sessions as _};
use tollwire_relay::store::Embedded;

#[tokio::test]
async fn in_memory() {
    let store = EmbeddedSessions::open(Embedded::memory().unwrap()).await.unwrap();
    asp_common::contract(&store).await;
}

#[tokio::test]
async fn in_a_file_and_after_it_was_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broker.db");
    let store = EmbeddedSessions::open(Embedded::open(&path).unwrap()).await.unwrap();
    asp_common::contract(&store).await;
    let session = "ase_heads".parse().unwrap();
    let before =
        (store.head(&session, SystemClock.now()).await.unwrap(), store.read(&session, 0, 100).await.unwrap());
    drop(store);
    let store = EmbeddedSessions::open(Embedded::open(&path).unwrap()).await.unwrap();
    assert_eq!(store.head(&session, SystemClock.now()).await.unwrap(), before.0);
    assert_eq!(store.read(&session, 0, 100).await.unwrap(), before.1);
}
