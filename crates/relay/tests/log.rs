//! The logs and notes of one node: in memory, in a file, and in a file that was opened again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

mod log_common;

use tollwire_relay::log::{EmbeddedLog, Log as _, MemoryLog};
use tollwire_relay::notes::{EmbeddedNotes, MemoryNotes};
use tollwire_relay::store::Embedded;

#[tokio::test]
async fn in_memory() {
    log_common::log_contract(&MemoryLog::new()).await;
    log_common::notes_contract(&MemoryNotes::new()).await;
}

#[tokio::test]
async fn in_a_file_and_after_it_was_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broker.db");
    let store = Embedded::open(&path).unwrap();
    let log = EmbeddedLog::open(store.clone()).await.unwrap();
    log_common::log_contract(&log).await;
    log_common::notes_contract(&EmbeddedNotes::open(store.clone()).await.unwrap()).await;
    let before = log.read("crowd", 0, 1_000).await.unwrap();
    drop((log, store));
    let again = EmbeddedLog::open(Embedded::open(&path).unwrap()).await.unwrap();
    assert_eq!(again.read("crowd", 0, 1_000).await.unwrap(), before);
    assert_eq!(before.len(), 50);
}
