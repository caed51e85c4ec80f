//! What every store of rows promises, whichever it is.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "a failed expectation ends the test")]

use std::time::Duration;
use tollwire_ledger::{Clock, SystemClock, Timestamp};
use tollwire_relay::store::{Change, Changed, Row, Rows};

fn row(version: u64, content: &[u8]) -> Row {
    Row { version, content: content.to_vec() }
}

fn change(key: &str, from: Option<u64>, to: Option<Row>) -> Change {
    let keep_until = SystemClock.now().after(Duration::from_mins(1));
    Change { key: key.into(), from, to, keep_until, due: None, alias: None }
}

/// All of it.
pub async fn contract(rows: &dyn Rows) {
    changes_are_made_from_what_was_read(rows).await;
    an_alias_has_one_row(rows).await;
    what_is_due_is_listed(rows).await;
    what_is_over_is_forgotten(rows).await;
    of_many_changes_one_is_made(rows).await;
}

async fn changes_are_made_from_what_was_read(rows: &dyn Rows) {
    assert_eq!(rows.row("a").await.unwrap(), None);
    let (first, second) = (row(u64::MAX, b"\0one\r\n"), row(7, b""));
    assert_eq!(rows.change(change("a", Some(1), Some(first.clone()))).await.unwrap(), Changed::Moved(None));
    assert_eq!(rows.change(change("a", None, Some(first.clone()))).await.unwrap(), Changed::Done);
    assert_eq!(rows.row("a").await.unwrap(), Some(first.clone()));
    for from in [None, Some(1)] {
        let moved = rows.change(change("a", from, Some(second.clone()))).await.unwrap();
        assert_eq!(moved, Changed::Moved(Some(first.clone())));
    }
    let done = rows.change(change("a", Some(u64::MAX), Some(second.clone()))).await.unwrap();
    assert_eq!((done, rows.row("a").await.unwrap()), (Changed::Done, Some(second)));
    assert_eq!(rows.change(change("a", Some(7), None)).await.unwrap(), Changed::Done);
    assert_eq!(rows.row("a").await.unwrap(), None);
}

async fn an_alias_has_one_row(rows: &dyn Rows) {
    let named = |key: &str, alias: &str| Change {
        alias: Some(alias.into()),
        ..change(key, None, Some(row(1, b"named")))
    };
    assert_eq!(rows.change(named("b1", "bob")).await.unwrap(), Changed::Done);
    assert_eq!(rows.change(named("b2", "bob")).await.unwrap(), Changed::Taken);
    assert_eq!(rows.row("b2").await.unwrap(), None);
    assert_eq!(rows.change(named("b2", "rob")).await.unwrap(), Changed::Done);
    // The row may go and come back under its name.
    assert_eq!(rows.change(change("b1", Some(1), None)).await.unwrap(), Changed::Done);
    assert_eq!(rows.change(named("b1", "bob")).await.unwrap(), Changed::Done);
}

async fn what_is_due_is_listed(rows: &dyn Rows) {
    let due = |key: &str, from, to, due| Change {
        due: Some(Timestamp::from_millis(due)),
        ..change(key, from, Some(row(to, b"")))
    };
    for (key, at) in [("d3", 3), ("d1", 1), ("d2", 2), ("d9", 9)] {
        assert_eq!(rows.change(due(key, None, 1, at)).await.unwrap(), Changed::Done);
    }
    let at = Timestamp::from_millis;
    assert_eq!(rows.due(at(3), 10).await.unwrap(), ["d1", "d2", "d3"]);
    assert_eq!(rows.due(at(3), 2).await.unwrap(), ["d1", "d2"]);
    assert_eq!(rows.change(due("d1", Some(1), 2, 9)).await.unwrap(), Changed::Done);
    assert_eq!(rows.change(change("d2", Some(1), Some(row(2, b"")))).await.unwrap(), Changed::Done);
    assert_eq!(rows.change(change("d3", Some(1), None)).await.unwrap(), Changed::Done);
    assert_eq!(rows.due(at(9), 10).await.unwrap(), ["d1", "d9"]);
    // What is no row any more is taken off the list by whoever finds out.
    for key in ["d1", "d9"] {
        let known = rows.row(key).await.unwrap().map(|row| row.version);
        assert_eq!(rows.change(change(key, known, None)).await.unwrap(), Changed::Done);
        assert_eq!(rows.change(change(key, None, None)).await.unwrap(), Changed::Done);
    }
    assert!(rows.due(at(9), 10).await.unwrap().is_empty());
}

async fn what_is_over_is_forgotten(rows: &dyn Rows) {
    let over = SystemClock.now().after(Duration::from_millis(50));
    let brief = |key: &str| Change {
        keep_until: over,
        alias: Some("brief".into()),
        ..change(key, None, Some(row(1, b"brief")))
    };
    assert_eq!(rows.change(brief("e1")).await.unwrap(), Changed::Done);
    assert_eq!(rows.change(brief("e2")).await.unwrap(), Changed::Taken);
    while SystemClock.now() <= over.after(Duration::from_millis(20)) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(rows.row("e1").await.unwrap(), None);
    let again = Change { alias: Some("brief".into()), ..change("e2", None, Some(row(2, b"again"))) };
    assert_eq!(rows.change(again).await.unwrap(), Changed::Done);
    assert_eq!(rows.change(change("e1", None, Some(row(3, b"new")))).await.unwrap(), Changed::Done);
}

async fn of_many_changes_one_is_made(rows: &dyn Rows) {
    let all = (1..=20).map(|version| rows.change(change("f", None, Some(row(version, b"")))));
    let mut done = 0;
    for changed in futures_util::future::join_all(all).await {
        match changed.unwrap() {
            Changed::Done => done += 1,
            Changed::Moved(Some(winner)) => assert_eq!(rows.row("f").await.unwrap(), Some(winner)),
            other => assert_eq!(other, Changed::Done),
        }
    }
    assert_eq!(done, 1);
}
