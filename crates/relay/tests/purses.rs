//! Purses of one node: in memory, and in a file.

#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

mod purse_common;

use std::sync::Arc;
use tollwire_ledger::SystemClock;
use tollwire_relay::store::{Embedded, EmbeddedRows};

async fn rows(store: Embedded) -> Arc<EmbeddedRows> {
    Arc::new(EmbeddedRows::open(store, Arc::new(SystemClock)).await.unwrap())
}

#[tokio::test]
async fn in_memory() {
    purse_common::contract(rows(Embedded::memory().unwrap()).await).await;
}

#[tokio::test]
async fn in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path().join("broker.db")).unwrap();
    purse_common::contract(rows(store).await).await;
}
