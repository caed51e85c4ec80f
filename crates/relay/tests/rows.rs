//! The rows of one node: in memory, in a file, and in a file that was opened again.

#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

mod common;

use std::sync::Arc;
use std::time::Duration;
use tollwire_ledger::{Clock as _, SystemClock};
use tollwire_relay::store::{Change, Changed, Embedded, EmbeddedRows, Row, Rows as _};

async fn rows(store: Embedded) -> EmbeddedRows {
    EmbeddedRows::open(store, Arc::new(SystemClock)).await.unwrap()
}

#[tokio::test]
async fn in_memory() {
    common::contract(&rows(Embedded::memory().unwrap()).await).await;
}

#[tokio::test]
async fn in_a_file_and_after_it_was_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broker.db");
    let first = rows(Embedded::open(&path).unwrap()).await;
    common::contract(&first).await;
    let change = Change {
        key: "kept".into(),
        from: None,
        to: Some(Row { version: 1, content: b"kept".to_vec() }),
        keep_until: SystemClock.now().after(Duration::from_mins(1)),
        due: None,
        alias: None,
    };
    assert_eq!(first.change(change).await.unwrap(), Changed::Done);
    drop(first);
    let again = rows(Embedded::open(&path).unwrap()).await;
    assert_eq!(again.row("kept").await.unwrap().unwrap().content, b"kept");
}
