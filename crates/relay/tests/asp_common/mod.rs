//! What every store of agent sessions must do, whatever keeps it.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

use bytes::Bytes;
use std::time::Duration;
use tollwire_asp::{Hash, SessionId};
use tollwire_ledger::{Clock as _, SystemClock, Timestamp};
use tollwire_relay::asp::store::{Append, Head, NewMessage, Once, PAGE_MAX, Sessions, Stored};

fn now() -> Timestamp {
    SystemClock.now()
}

fn later() -> Timestamp {
    now().after(Duration::from_secs(3_600))
}

/// Messages, and what each notes under its name if it has one.
fn messages(after: (u64, &str), all: &[(&str, Option<(&str, &str)>)]) -> Append {
    let last = all.last().unwrap().0;
    let new = |(text, once): &(&str, Option<(&str, &str)>)| NewMessage {
        body: Bytes::copy_from_slice(text.as_bytes()),
        once: once.map(|(key, memo)| Once { key: key.into(), until: later(), memo: memo.into() }),
    };
    Append {
        after: (after.0, after.1.to_owned()),
        messages: all.iter().map(new).collect(),
        hash: format!("h{last}"),
        content: Bytes::copy_from_slice(format!("after {last}").as_bytes()),
        keep: 1_000,
        until: later(),
    }
}

fn message(after: (u64, &str), text: &str) -> Append {
    messages(after, &[(text, None)])
}

async fn begun(store: &dyn Sessions, name: &str) -> (SessionId, String) {
    let session: SessionId = name.parse().unwrap();
    assert!(store.create(&session, Bytes::from_static(b"new"), later()).await.unwrap());
    (session, Hash::GENESIS.to_string())
}

async fn all(store: &dyn Sessions, session: &SessionId, after: u64) -> Vec<(u64, Bytes)> {
    store.read(session, after, 1_000_000).await.unwrap()
}

/// The whole contract.
pub async fn contract(store: &dyn Sessions) {
    heads(store).await;
    keys(store).await;
    together(store).await;
    pages_and_ends(store).await;
    one_of_many(store).await;
    newest(store).await;
}

async fn heads(store: &dyn Sessions) {
    let (session, genesis) = begun(store, "ase_heads").await;
    assert!(!store.create(&session, Bytes::from_static(b"other"), later()).await.unwrap());
    let head = Head { seq: 0, hash: genesis.clone(), first: 1, content: Bytes::from_static(b"new") };
    assert_eq!(store.head(&session, now()).await.unwrap(), Some(head.clone()));
    for wrong in [(1, genesis.as_str()), (0, "other")] {
        assert_eq!(
            store.append(&session, message(wrong, "x"), now()).await.unwrap(),
            Stored::Moved(head.clone())
        );
    }
    assert_eq!(store.append(&session, message((0, &genesis), "\0one"), now()).await.unwrap(), Stored::Done);
    let head = Head { seq: 1, hash: "h\0one".into(), first: 1, content: Bytes::from_static(b"after \0one") };
    assert_eq!(store.head(&session, now()).await.unwrap(), Some(head.clone()));
    assert_eq!(
        store.append(&session, message((0, &genesis), "y"), now()).await.unwrap(),
        Stored::Moved(head)
    );
    assert_eq!(store.append(&session, message((1, "h\0one"), "two"), now()).await.unwrap(), Stored::Done);
    assert_eq!(
        all(store, &session, 0).await,
        [(1, Bytes::from_static(b"\0one")), (2, Bytes::from_static(b"two"))]
    );
    assert_eq!(all(store, &session, 1).await, [(2, Bytes::from_static(b"two"))]);
    let nobody: SessionId = "ase_nobody".parse().unwrap();
    assert_eq!(store.head(&nobody, now()).await.unwrap(), None);
    assert_eq!(store.append(&nobody, message((0, &genesis), "x"), now()).await.unwrap(), Stored::Unknown);
}

async fn keys(store: &dyn Sessions) {
    let (session, genesis) = begun(store, "ase_keys").await;
    let keyed = |after: (u64, &str), text: &str, memo: &str| messages(after, &[(text, Some(("k", memo)))]);
    let moved = store.append(&session, keyed((7, "x"), "a", "never"), now()).await.unwrap();
    assert!(matches!(moved, Stored::Moved(_)), "a refusal uses no key up");
    assert_eq!(
        store.append(&session, keyed((0, &genesis), "a", "first"), now()).await.unwrap(),
        Stored::Done
    );
    let again = Stored::Duplicates(vec![(0, "first".into())]);
    for after in [(0, genesis.as_str()), (1, "ha"), (9, "x")] {
        assert_eq!(store.append(&session, keyed(after, "b", "second"), now()).await.unwrap(), again);
    }
    let (other, genesis) = begun(store, "ase_others").await;
    assert_eq!(
        store.append(&other, keyed((0, &genesis), "a", "x"), now()).await.unwrap(),
        Stored::Done,
        "its own"
    );
}

/// All of an append is kept, or none of it.
async fn together(store: &dyn Sessions) {
    let (session, genesis) = begun(store, "ase_joint").await;
    let first = messages((0, &genesis), &[("a", Some(("ka", "A"))), ("b", None), ("c", Some(("kc", "C")))]);
    assert_eq!(store.append(&session, first, now()).await.unwrap(), Stored::Done);
    let head = Head { seq: 3, hash: "hc".into(), first: 1, content: Bytes::from_static(b"after c") };
    assert_eq!(store.head(&session, now()).await.unwrap(), Some(head.clone()));
    let second = messages((0, &genesis), &[("d", None), ("e", Some(("ke", "E")))]);
    assert_eq!(store.append(&session, second, now()).await.unwrap(), Stored::Moved(head.clone()));
    for after in [(3, "hc"), (0, genesis.as_str())] {
        let third = messages(
            after,
            &[("d", None), ("x", Some(("kc", "X"))), ("e", Some(("ke", "E"))), ("y", Some(("ka", "Y")))],
        );
        let used = Stored::Duplicates(vec![(1, "C".into()), (3, "A".into())]);
        assert_eq!(store.append(&session, third, now()).await.unwrap(), used, "{after:?}");
    }
    assert_eq!(store.head(&session, now()).await.unwrap(), Some(head), "nothing was changed");
    let last = messages((3, "hc"), &[("d", None), ("e", Some(("ke", "E")))]);
    assert_eq!(store.append(&session, Append { keep: 4, ..last }, now()).await.unwrap(), Stored::Done);
    let all: Vec<_> = all(store, &session, 0).await.into_iter().map(|(seq, body)| (seq, body[0])).collect();
    assert_eq!(all, [(2, b'b'), (3, b'c'), (4, b'd'), (5, b'e')]);
    assert_eq!(store.head(&session, now()).await.unwrap().unwrap().first, 2);
}

async fn pages_and_ends(store: &dyn Sessions) {
    let (session, mut hash) = begun(store, "ase_pages").await;
    for number in 0..300_u64 {
        let text = number.to_string();
        let new = Append { keep: 250, ..message((number, &hash), &text) };
        assert_eq!(store.append(&session, new, now()).await.unwrap(), Stored::Done);
        hash = format!("h{text}");
    }
    let head = store.head(&session, now()).await.unwrap().unwrap();
    assert_eq!((head.seq, head.first), (300, 51), "the oldest are forgotten");
    let page = all(store, &session, 0).await;
    assert_eq!((page.len(), page[0].0), (PAGE_MAX, 51));
    assert_eq!(store.read(&session, 290, 5).await.unwrap().len(), 1, "290 and more are three digits");
    assert_eq!(store.read(&session, 290, 0).await.unwrap().len(), 1, "one at least");

    let brief: SessionId = "ase_brief".parse().unwrap();
    let until = now().after(Duration::from_millis(50));
    assert!(store.create(&brief, Bytes::from_static(b"x"), until).await.unwrap());
    tokio::time::sleep(Duration::from_millis(120)).await;
    assert_eq!(store.head(&brief, now()).await.unwrap(), None);
    let listed = store.newest(100, now()).await.unwrap();
    assert!(listed.iter().any(|(name, _)| *name == session) && listed.iter().all(|(name, _)| *name != brief));
    store.sweep(now()).await.unwrap();
    assert!(store.create(&brief, Bytes::from_static(b"x"), later()).await.unwrap(), "it was forgotten");
    assert_eq!(store.head(&session, now()).await.unwrap().unwrap().seq, 300, "no others");
}

async fn one_of_many(store: &dyn Sessions) {
    let (session, genesis) = begun(store, "ase_raced").await;
    let tries = (0..20_u8).map(|number| {
        let new = message((0, &genesis), &number.to_string());
        let session = &session;
        async move { store.append(session, new, now()).await.unwrap() }
    });
    let outcomes = futures_util::future::join_all(tries).await;
    assert_eq!(outcomes.iter().filter(|stored| **stored == Stored::Done).count(), 1);
    assert_eq!(all(store, &session, 0).await.len(), 1);
}

/// Names sort by time; those of this contract do so by their letters.
async fn newest(store: &dyn Sessions) {
    let listed = store.newest(2, now()).await.unwrap();
    let names: Vec<&str> = listed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["ase_raced", "ase_pages"]);
    for (name, head) in listed {
        assert_eq!(store.head(&name, now()).await.unwrap(), Some(head));
    }
    assert_eq!(store.newest(100, now()).await.unwrap().len(), 7);
    assert!(store.newest(0, now()).await.unwrap().is_empty());
}
