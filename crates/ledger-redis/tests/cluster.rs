//! The ledger on a Redis Cluster: what is demanded of it, slots that move, primaries that fail over, forget, or come
//! from a single server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

#[path = "../../ledger/tests/common/mod.rs"]
mod common;
mod support;

use common::{buy, hold, intent, open, payment, post, record, session, stream};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::{bought, config_of, connect, connect_to, hands, until};
use tokio::task::JoinSet;
use tollwire_ledger::model::Fate;
use tollwire_ledger::{Error, Ledger, Outcome};
use tollwire_ledger_redis::{RedisConfig, RedisLedger};
use tollwire_testkit::redis::{RedisCluster, RedisServer};

const DAY_MS: u64 = 86_400_000;

async fn refusal(config: RedisConfig) -> String {
    match RedisLedger::connect(config).await {
        Err(Error::Unfit(why)) => why,
        other => panic!("{other:?}"),
    }
}

fn key(n: u64, what: &str) -> String {
    format!("tollwire:{{{}}}:{what}", session(n))
}

/// A session whose rows are at this server, other than those in `not`.
async fn session_at(cluster: &RedisCluster, server: usize, not: &[u64]) -> u64 {
    for n in 1..1_000 {
        if !not.contains(&n) && cluster.home(&key(n, "session")).await.unwrap().1 == server {
            return n;
        }
    }
    panic!("no session is at server {server}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_on_every_primary_and_wrong_addresses_are_refused() {
    let cluster = RedisCluster::start().await.unwrap();
    let mut config = config_of(&cluster);
    config.wait_replicas = 0;
    assert!(refusal(config).await.contains("wait_replicas"));
    let of_one = RedisConfig::new(format!("redis://127.0.0.1:{}/0", cluster.port(0)));
    assert!(refusal(of_one).await.contains("redis-cluster://"));
    let alone = RedisServer::start().await.unwrap();
    let mut config = config_of(&cluster);
    config.url = format!("redis-cluster://127.0.0.1:{}", alone.port());
    assert!(refusal(config).await.contains("no cluster"));

    let ledger = connect_to(&cluster).await;
    // Ids that differ in more than their last digit.
    let ids: Vec<u64> = (1..=30).map(|n| n * 123_457).collect();
    let mut homes = BTreeSet::new();
    for n in ids {
        buy(&ledger, n, 5).await;
        assert!(open(&ledger, n, n).await);
        homes.insert(cluster.home(&key(n, "session")).await.unwrap().1);
    }
    assert_eq!(homes.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(ledger.sessions(None, 100).await.unwrap().len(), 30);
    assert_eq!(ledger.payments_of("0x01", 100).await.unwrap().len(), 30);
    ledger.ready().await.unwrap();
    let born = ledger.born().await;
    assert_eq!(connect_to(&cluster).await.born().await, born, "a node that comes later finds the same store");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_may_forget_is_refused() {
    let cluster = RedisCluster::start().await.unwrap();
    assert_eq!(cluster.command(0, &["CONFIG", "SET", "appendonly", "no"]).await.unwrap(), "OK");
    let why = refusal(config_of(&cluster)).await;
    assert!(why.contains("appendonly yes") && why.contains(&cluster.port(0).to_string()), "{why}");
    cluster.command(0, &["CONFIG", "SET", "appendonly", "yes"]).await.unwrap();
    cluster.command(2, &["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await.unwrap();
    assert!(refusal(config_of(&cluster)).await.contains("maxmemory-policy allkeys-lru"));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_hands_on_two_nodes_get_what_there_is_and_pay_once() {
    let cluster = RedisCluster::start().await.unwrap();
    let nodes = async || [connect_to(&cluster).await.into(), connect_to(&cluster).await.into()];
    hands::payments_open_one_session(nodes().await).await;
    let mut other = config_of(&cluster);
    other.prefix = "other:".into();
    let ledger = Arc::new(RedisLedger::connect(other).await.unwrap());
    hands::seats_are_taken_once([Arc::clone(&ledger), ledger]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_without_its_rows_is_noticed_by_whoever_asks_it() {
    let cluster = RedisCluster::start().await.unwrap();
    for first in 0..5 {
        let ledger = connect_to(&cluster).await;
        let (there, elsewhere) = (session_at(&cluster, 0, &[]).await, session_at(&cluster, 1, &[]).await);
        for n in [there, elsewhere] {
            until("a purchase", || bought(&ledger, n)).await;
        }
        cluster.command(0, &["FLUSHALL"]).await.unwrap();
        let late = 500 + first;
        if first < 4 {
            assert!(open(&ledger, elsewhere, late).await, "the others are whole");
        }
        let lost = match first {
            0 => ledger.apply(hold(there, late)).await.err(),
            1 => ledger.session(&session(there)).await.err(),
            2 => ledger.watch(vec![session(elsewhere), session(there)]).await.err(),
            3 => ledger.journal(&session(there)).await.err(),
            _ => ledger.ready().await.err(),
        };
        assert_eq!(lost, Some(Error::Lost), "question {first}");
        assert_eq!(ledger.session(&session(elsewhere)).await, Err(Error::Lost), "from then on, nothing");
        // A new node finds a store that was only partly restored.
        let why = refusal(config_of(&cluster)).await;
        assert!(why.contains("emptied") || why.contains("partly restored"), "{why}");
        for primary in 0..3 {
            cluster.command(primary, &["FLUSHALL"]).await.unwrap();
        }
    }
}

/// Whether the stream was opened; asked again it is, once.
async fn opened(ledger: &dyn Ledger, n: u64, id: u64) -> Result<bool, Error> {
    let Outcome::Held { fence, .. } = ledger.apply(hold(n, id)).await? else {
        panic!("no unit for stream {id}")
    };
    match ledger.apply(post(n, id, fence)).await? {
        Outcome::Done(_) | Outcome::Replayed(_) => Ok(true),
        // The hold was forgotten with the primary that had it.
        Outcome::Lapsed | Outcome::Unknown | Outcome::Fenced => Ok(false),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_moves_while_its_session_is_used() {
    let cluster = Arc::new(RedisCluster::start().await.unwrap());
    let ledger = Arc::new(connect_to(&cluster).await);
    let n = session_at(&cluster, 0, &[]).await;
    let what = tollwire_ledger::model::Intent { balance_ttl_ms: DAY_MS, ..intent(n, 100_000) };
    assert!(matches!(ledger.apply(record(n, what)).await, Ok(Outcome::Done(_))));
    assert!(matches!(ledger.apply(common::credit(n, n)).await, Ok(Outcome::Done(_))));
    let (slot, _) = cluster.home(&key(n, "session")).await.unwrap();
    until("the first stream", || opened(&*ledger, n, 0)).await;

    // By steps: all rows here, half of them, all of them there, the slot there.
    cluster.begin_move(slot, 0, 1).await.unwrap();
    assert_eq!(opened(&*ledger, n, 1).await, Ok(true), "all rows are here");
    cluster.move_these(0, 1, &[&key(n, "session")]).await.unwrap();
    let begun = std::time::Instant::now();
    let split = opened(&*ledger, n, 2).await;
    assert!(matches!(&split, Err(Error::Unavailable(why)) if why.contains("being moved")), "{split:?}");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(
        ledger.session(&session(n)).await.unwrap().unwrap().captured,
        2,
        "one row is read where it is"
    );
    while cluster.move_keys(slot, 0, 1, 100).await.unwrap() {}
    assert_eq!(opened(&*ledger, n, 2).await, Ok(true), "all rows are there");
    assert_eq!(ledger.session(&session(n)).await.unwrap().unwrap().captured, 3);
    cluster.finish_move(slot, 1).await.unwrap();
    assert_eq!(opened(&*ledger, n, 3).await, Ok(true), "the slot is there");

    // And to and fro, while streams are opened as fast as they can.
    let enough = Arc::new(AtomicBool::new(false));
    let mut users = JoinSet::new();
    for user in 1..=4 {
        let (ledger, enough) = (Arc::clone(&ledger), Arc::clone(&enough));
        users.spawn(async move {
            let mut count = 0;
            while !enough.load(Ordering::SeqCst) {
                count += 1;
                let id = user * 100_000 + count;
                until("a stream", || opened(&*ledger, n, id)).await;
            }
            count
        });
    }
    for (from, to) in [(1, 2), (2, 0), (0, 1)] {
        cluster.begin_move(slot, from, to).await.unwrap();
        while cluster.move_keys(slot, from, to, 1).await.unwrap() {}
        // What was written in between.
        while cluster.move_keys(slot, from, to, 100).await.unwrap() {}
        cluster.finish_move(slot, to).await.unwrap();
    }
    enough.store(true, Ordering::SeqCst);
    let count: u64 = users.join_all().await.into_iter().sum();
    assert!(count > 10, "{count}");
    let row = ledger.session(&session(n)).await.unwrap().unwrap();
    assert_eq!((row.captured, row.held(), row.remaining()), (count + 4, 0, 100_000 - count - 4));
    assert_eq!(cluster.home(&key(n, "session")).await.unwrap(), (slot, 1));
}

/// Buys sessions, opens a stream of each, and leaves a payment in doubt; what it was promised.
async fn customer(ledger: Arc<RedisLedger>, first: u64, enough: Arc<AtomicBool>) -> Vec<u64> {
    let mut promised = Vec::new();
    for n in (first..).step_by(10) {
        if enough.load(Ordering::SeqCst) {
            break;
        }
        until("a purchase", || bought(&*ledger, n)).await;
        until("a stream", || opened(&*ledger, n, n)).await;
        until("a payment in doubt", async || {
            let done = ledger.apply(record(1_000_000 + n, intent(1_000_000 + n, 1))).await?;
            assert!(matches!(done, Outcome::Done(_) | Outcome::Replayed(_)), "{done:?}");
            Ok(true)
        })
        .await;
        promised.push(n);
    }
    promised
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_the_death_of_a_primary() {
    let mut cluster = RedisCluster::start().await.unwrap();
    let nodes = [Arc::new(connect_to(&cluster).await), Arc::new(connect_to(&cluster).await)];
    let enough = Arc::new(AtomicBool::new(false));
    let mut customers = JoinSet::new();
    for number in 1..=6_u64 {
        let node = Arc::clone(&nodes[usize::from(number % 2 == 0)]);
        customers.spawn(customer(node, number, Arc::clone(&enough)));
    }
    // Two primaries, one after the other; the second's place is taken while the first is a replica again.
    for (dies, heir) in [(0, 3), (1, 4)] {
        tokio::time::sleep(Duration::from_millis(700)).await;
        cluster.server(dies).unwrap().kill9().await.unwrap();
        until("an heir", async || Ok(cluster.primaries().await.unwrap().contains(&heir))).await;
        cluster.server(dies).unwrap().restart().await.unwrap();
        cluster.settled_with(&[dies]).await.unwrap();
        assert!(!cluster.primaries().await.unwrap().contains(&dies), "it is a replica now");
    }
    tokio::time::sleep(Duration::from_millis(700)).await;
    enough.store(true, Ordering::SeqCst);
    let promised: Vec<u64> = customers.join_all().await.into_iter().flatten().collect();
    assert!(promised.len() > 12, "{}", promised.len());

    let node = &*nodes[0];
    let mut in_doubt = BTreeSet::new();
    let mut after = None;
    loop {
        let page = node.in_doubt(after.as_ref(), 100).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        in_doubt.extend(page.into_iter().map(|(id, _)| id));
    }
    let mut listed = BTreeSet::new();
    let mut after = None;
    loop {
        let page = node.sessions(after.as_ref(), 100).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        listed.extend(page.into_iter().map(|(id, _)| id));
    }
    for n in &promised {
        let row = node.session(&session(*n)).await.unwrap().unwrap();
        assert_eq!(row.bought, 100, "session {n} was bought once");
        assert_eq!(row.captured + row.held() + row.remaining(), 100, "its books balance: {row:?}");
        // What a stream used in the last moments may be forgotten, in the payer's favour; never charged twice.
        assert!(row.captured <= 1, "{row:?}");
        assert!(listed.contains(&session(*n)), "session {n} is listed");
        let paid = node.payment(&payment(*n)).await.unwrap().unwrap();
        assert!(matches!(paid.fate, Fate::Credited(_)), "{paid:?}");
        assert!(
            in_doubt.contains(&payment(1_000_000 + n)),
            "payment {n} is in doubt, and will be looked after"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_replicas_nothing_can_be_bought_and_what_was_bought_is_served() {
    let mut cluster = RedisCluster::start().await.unwrap();
    let ledger = connect_to(&cluster).await;
    let n = session_at(&cluster, 0, &[]).await;
    until("a purchase", || bought(&ledger, n)).await;
    let other = session_at(&cluster, 0, &[n]).await;
    for replica in 3..6 {
        cluster.server(replica).unwrap().kill9().await.unwrap();
    }
    let refused = bought(&ledger, other).await;
    assert!(
        matches!(&refused, Err(Error::Unavailable(why)) if why.contains("0 of 1 replicas")),
        "{refused:?}"
    );
    assert!(open(&ledger, n, 1).await);
    for replica in 3..6 {
        cluster.server(replica).unwrap().restart().await.unwrap();
    }
    until("a purchase with replicas", || bought(&ledger, other)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_moves_from_one_server_to_a_cluster() {
    let one = RedisServer::start().await.unwrap();
    let old = connect(&one).await;
    for n in 1..=20 {
        buy(&old, n, 5).await;
        assert!(open(&old, n, 1).await);
    }
    let born = old.born().await.unwrap();
    drop(old);
    // As docs/configuration.md says.
    let cluster = RedisCluster::start().await.unwrap();
    let to = format!("127.0.0.1:{}", cluster.port(0));
    let from = format!("127.0.0.1:{}", one.port());
    let mut import = tokio::process::Command::new("redis-cli");
    import.args(["--cluster", "import", &to, "--cluster-from", &from, "--cluster-copy"]);
    let done = import.output().await.unwrap();
    assert!(done.status.success(), "{done:?}");

    let ledger = connect_to(&cluster).await;
    assert_eq!(ledger.born().await.unwrap(), born);
    assert_eq!(ledger.sessions(None, 100).await.unwrap().len(), 20);
    for n in 1..=20 {
        let row = ledger.session(&session(n)).await.unwrap().unwrap();
        assert_eq!((row.bought, row.captured), (5, 1));
        assert!(ledger.stream(&session(n), &stream(1)).await.unwrap().is_some());
        assert!(ledger.payment(&payment(n)).await.unwrap().is_some());
        assert!(open(&ledger, n, 2).await);
    }
    assert!(connect(&one).await.ready().await.is_ok(), "a copy: the server is as it was");
}
