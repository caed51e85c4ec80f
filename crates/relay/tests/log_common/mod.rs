//! What every log and every store of notes must do, whatever keeps it.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

use bytes::Bytes;
use tollwire_ledger::{Clock as _, SystemClock, Timestamp};
use tollwire_relay::log::{Append, Appended, Caps, Depth, Entry, Log, Once, Overflow, READ_COUNT_MAX};
use tollwire_relay::notes::{Key, Notes, Topic};

fn now() -> Timestamp {
    SystemClock.now()
}

fn later(secs: u64) -> Timestamp {
    now().after(std::time::Duration::from_secs(secs))
}

fn body(text: &str) -> Append {
    Append { body: Bytes::copy_from_slice(text.as_bytes()), until: later(3_600), once: None }
}

fn seqs(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.seq).collect()
}

async fn put(log: &dyn Log, stream: &str, text: &str) -> u64 {
    match log.append(stream, body(text), Caps::NONE, now()).await.unwrap() {
        Appended::Stored(seq) => seq,
        other => panic!("{other:?}"),
    }
}

/// The whole contract of a log.
pub async fn log_contract(log: &dyn Log) {
    order(log).await;
    caps(log).await;
    once(log).await;
    marks_and_ends(log).await;
    carrying(log).await;
    one_of_many(log).await;
}

async fn order(log: &dyn Log) {
    for (text, seq) in [("one", 1), ("\0\u{e9} two", 2), ("three", 3)] {
        assert_eq!(put(log, "order", text).await, seq);
    }
    let all = log.read("order", 0, 1_000).await.unwrap();
    assert_eq!(seqs(&all), [1, 2, 3]);
    assert_eq!((&*all[1].body, all[1].mark), ("\0\u{e9} two".as_bytes(), 0));
    assert_eq!(seqs(&log.read("order", 1, 1_000).await.unwrap()), [2, 3]);
    assert_eq!(seqs(&log.read("order", 0, 4).await.unwrap()), [1], "one at least, then what fits");
    assert_eq!(seqs(&log.read("order", 0, 0).await.unwrap()), [1]);
    assert!(log.acknowledge("order", 2).await.unwrap());
    assert!(!log.acknowledge("order", 2).await.unwrap(), "once");
    assert_eq!(seqs(&log.read("order", 0, 1_000).await.unwrap()), [1, 3]);
    assert_eq!(log.depth("order").await.unwrap(), Depth { count: 2, bytes: 8 });
    for seq in [1, 3] {
        assert!(log.acknowledge("order", seq).await.unwrap());
    }
    assert_eq!(log.depth("order").await.unwrap(), Depth::default());
    assert_eq!(put(log, "order", "four").await, 4, "a number is used once, even if all are gone");
    assert!(log.read("nobody", 0, 1_000).await.unwrap().is_empty());
    for _ in 0..READ_COUNT_MAX + 5 {
        put(log, "many", "x").await;
    }
    assert_eq!(log.read("many", 0, 1_000).await.unwrap().len(), READ_COUNT_MAX);
}

async fn caps(log: &dyn Log) {
    let two = Caps { count: 2, bytes: 10, overflow: Overflow::Refuse };
    let append =
        |text: &'static str, caps| async move { log.append("caps", body(text), caps, now()).await.unwrap() };
    assert_eq!(append("12345678901", two).await, Appended::Full, "larger than all of it");
    assert_eq!(append("12345", two).await, Appended::Stored(1));
    assert_eq!(append("123456", two).await, Appended::Full, "bytes");
    assert_eq!(append("12345", two).await, Appended::Stored(2));
    assert_eq!(append("", two).await, Appended::Full, "entries");
    assert_eq!(seqs(&log.read("caps", 0, 100).await.unwrap()), [1, 2], "none was dropped");
    let forgetful = Caps { overflow: Overflow::ForgetOldest, ..two };
    assert_eq!(append("123456", forgetful).await, Appended::Stored(3));
    assert_eq!(seqs(&log.read("caps", 0, 100).await.unwrap()), [3], "both had to go");
    assert_eq!(append("12345678901", forgetful).await, Appended::Full);
}

async fn once(log: &dyn Log) {
    let append = |stream: &'static str, key: &str, memo: &str, secs| {
        // Long ago rather than now: the millisecond that is now may not be over when it is asked for.
        let until = if secs == 0 { Timestamp::from_millis(1) } else { later(secs) };
        let once = Once { key: key.to_owned(), until, memo: memo.to_owned() };
        let new = Append { once: Some(once), ..body("x") };
        async move { log.append(stream, new, Caps::NONE, now()).await.unwrap() }
    };
    assert_eq!(append("once", "k", "first", 60).await, Appended::Stored(1));
    let again = Appended::Duplicate { memo: "first".into() };
    assert_eq!(append("once", "k", "second", 60).await, again);
    assert!(log.acknowledge("once", 1).await.unwrap());
    assert_eq!(append("once", "k", "third", 60).await, again, "what became of the entry is all the same");
    assert_eq!(append("once", "other", "x", 60).await, Appended::Stored(2));
    assert_eq!(append("twice", "k", "x", 60).await, Appended::Stored(1), "of its own stream");
    let lapsed =
        Once { key: "k".into(), until: Timestamp::from_millis(now().millis() - 1_000), memo: "x".into() };
    let lapsed = Append { once: Some(lapsed), ..body("x") };
    assert_eq!(log.append("lapsed", lapsed, Caps::NONE, now()).await.unwrap(), Appended::Stored(1));
    assert_eq!(append("lapsed", "k", "y", 60).await, Appended::Stored(2), "forgotten after its time");

    let full = Caps { count: 0, bytes: 0, overflow: Overflow::Refuse };
    let once = Once { key: "k".into(), until: later(60), memo: "never".into() };
    let refused = log.append("full", Append { once: Some(once), ..body("x") }, full, now()).await.unwrap();
    assert_eq!(refused, Appended::Full);
    assert_eq!(append("full", "k", "stored", 60).await, Appended::Stored(1), "a refusal uses no key up");
}

async fn marks_and_ends(log: &dyn Log) {
    let (first, second) = (put(log, "ends", "a").await, put(log, "ends", "b").await);
    let of_stream = |lapsed: Vec<(String, Entry)>| -> Vec<u64> {
        lapsed.into_iter().filter(|(stream, _)| stream == "ends").map(|(_, entry)| entry.seq).collect()
    };
    assert!(of_stream(log.expired(now(), 100).await.unwrap()).is_empty());
    let past = Timestamp::from_millis(1_000);
    assert!(log.mark("ends", first, 2, past).await.unwrap());
    let entry = log.read("ends", 0, 1_000).await.unwrap().remove(0);
    assert_eq!((entry.mark, entry.until), (2, past));
    assert_eq!(of_stream(log.expired(now(), 100).await.unwrap()), [first]);
    assert_eq!(of_stream(log.expired(now(), 100).await.unwrap()), [first], "until it is acknowledged");
    assert!(log.mark("ends", first, 3, later(60)).await.unwrap());
    assert!(of_stream(log.expired(now(), 100).await.unwrap()).is_empty());
    assert_eq!(of_stream(log.expired(later(7_200), 10_000).await.unwrap()), [first, second]);
    assert!(log.acknowledge("ends", second).await.unwrap());
    assert_eq!(of_stream(log.expired(later(7_200), 10_000).await.unwrap()), [first]);
    assert!(!log.mark("ends", second, 1, past).await.unwrap());
    assert!(log.acknowledge("ends", first).await.unwrap());
    assert!(of_stream(log.expired(later(7_200), 10_000).await.unwrap()).is_empty());
}

async fn carrying(log: &dyn Log) {
    let seq = put(log, "questions", "why?").await;
    let carry = || log.carry("questions", seq, "answers", Bytes::from_static(b"because"), later(60));
    assert_eq!(carry().await.unwrap(), Some(1));
    assert_eq!(carry().await.unwrap(), None, "a question has one answer");
    assert_eq!(log.depth("questions").await.unwrap(), Depth::default());
    let answers = log.read("answers", 0, 100).await.unwrap();
    assert_eq!((answers.len(), &*answers[0].body), (1, &b"because"[..]));
}

async fn one_of_many(log: &dyn Log) {
    let seq = put(log, "raced", "x").await;
    let tries = (0..20_u8).map(|number| log.carry("raced", seq, "winners", vec![number].into(), later(60)));
    let won = futures_util::future::join_all(tries).await;
    assert_eq!(won.into_iter().filter(|won| won.as_ref().unwrap().is_some()).count(), 1);
    let appends = (0..50).map(|_| put(log, "crowd", "x"));
    let mut seqs = futures_util::future::join_all(appends).await;
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=50).collect::<Vec<_>>());
}

/// The whole contract of a store of notes.
pub async fn notes_contract(notes: &dyn Notes) {
    let (one, two) = ((Topic::Apps, "one"), (Topic::Apps, "two"));
    assert_eq!(notes.get(one, now()).await.unwrap(), None);
    notes.put(two, Bytes::from_static(b"2"), None).await.unwrap();
    notes.put(one, Bytes::from_static(b"\x001"), None).await.unwrap();
    notes.put((Topic::Agents, "one"), Bytes::from_static(b"other"), None).await.unwrap();
    assert_eq!(notes.get(one, now()).await.unwrap().as_deref(), Some(&b"\x001"[..]));
    let listed = notes.list(Topic::Apps, now()).await.unwrap();
    assert_eq!(listed.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    notes.put(two, Bytes::from_static(b"3"), None).await.unwrap();
    assert_eq!(notes.get(two, now()).await.unwrap().as_deref(), Some(&b"3"[..]));
    notes.remove(two).await.unwrap();
    notes.remove(two).await.unwrap();
    assert_eq!(notes.list(Topic::Apps, now()).await.unwrap().len(), 1);

    let claim = (Topic::Claims, "portal:7");
    let me = Bytes::from_static(b"me");
    assert!(notes.claim(claim, me.clone(), Some(later(60)), now()).await.unwrap());
    assert!(!notes.claim(claim, Bytes::from_static(b"you"), Some(later(60)), now()).await.unwrap());
    assert_eq!(notes.get(claim, now()).await.unwrap(), Some(me.clone()));
    notes.remove(claim).await.unwrap();
    assert!(notes.claim(claim, me.clone(), Some(later(60)), now()).await.unwrap());
    let raced = (Topic::Claims, "raced");
    let tries = (0..20).map(|_| notes.claim(raced, me.clone(), Some(later(60)), now()));
    let won = futures_util::future::join_all(tries).await;
    assert_eq!(won.into_iter().filter(|won| *won.as_ref().unwrap()).count(), 1);

    replaced(notes, one).await;
    replaced(notes, claim).await;
    notes.put(one, Bytes::from_static(b"\x001"), None).await.unwrap();
    notes.put(claim, me.clone(), Some(later(60))).await.unwrap();

    let brief = (Topic::Owners, "athena");
    notes.put(brief, me.clone(), Some(now().after(std::time::Duration::from_millis(30)))).await.unwrap();
    assert_eq!(notes.list(Topic::Owners, now()).await.unwrap().len(), 1);
    // What is replaced lapses when it would have.
    let still = notes.replace(brief, me.clone(), Bytes::from_static(b"you"), now()).await;
    tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    assert!(still.unwrap());
    assert_eq!(notes.get(brief, now()).await.unwrap(), None, "lapsed");
    assert!(notes.list(Topic::Owners, now()).await.unwrap().is_empty());
    let lapsed = notes.replace(brief, Bytes::from_static(b"you"), me.clone(), now()).await;
    assert!(!lapsed.unwrap() && notes.get(brief, now()).await.unwrap().is_none());
    notes.sweep(now()).await.unwrap();
    assert_eq!(notes.get(one, now()).await.unwrap().as_deref(), Some(&b"\x001"[..]), "no others");
    assert_eq!(notes.get(claim, now()).await.unwrap(), Some(me.clone()));
    assert!(notes.claim(brief, me, Some(later(60)), now()).await.unwrap());
}

/// Of many that replace the same, one does; what is not there, or not so any more, is not replaced.
async fn replaced(notes: &dyn Notes, key: Key<'_>) {
    let was = notes.get(key, now()).await.unwrap().unwrap();
    let tries = (0..20_u8).map(|n| notes.replace(key, was.clone(), Bytes::from(vec![0xFF, n]), now()));
    let won: Vec<bool> =
        futures_util::future::join_all(tries).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(won.iter().filter(|won| **won).count(), 1);
    let winner = won.iter().position(|won| *won).unwrap();
    let is = notes.get(key, now()).await.unwrap().unwrap();
    assert_eq!(is, vec![0xFF, u8::try_from(winner).unwrap()]);
    assert!(!notes.replace(key, was.clone(), is.clone(), now()).await.unwrap(), "it is not so any more");
    let nobody = (key.0, "nobody");
    assert!(!notes.replace(nobody, was, is, now()).await.unwrap());
    assert_eq!(notes.get(nobody, now()).await.unwrap(), None);
}
