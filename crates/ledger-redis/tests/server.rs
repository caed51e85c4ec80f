//! What is demanded of the server, and what happens when it dies, hangs, forgets or is exchanged.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

#[path = "../../ledger/tests/common/mod.rs"]
mod common;
mod support;

use common::{attach, buy, credit, hold, intent, open, payment, post, record, session, stream};
use std::time::{Duration, Instant};
use support::{config, connect, direct, dump};
use tollwire_ledger::{Clock, Command, Error, Ledger, Outcome, SystemClock};
use tollwire_ledger_redis::{RedisConfig, RedisLedger};
use tollwire_testkit::redis::RedisServer;

const MINUTE: Duration = Duration::from_mins(1);

type Change = fn(&mut RedisConfig);

async fn refusal(config: RedisConfig) -> String {
    match RedisLedger::connect(config).await {
        Err(Error::Unfit(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_that_may_forget_is_refused() {
    let server = RedisServer::with(&[("appendonly", "no")]).await.unwrap();
    assert!(refusal(config(&server)).await.contains("set `appendonly yes`"));
    let mut volatile = config(&server);
    volatile.allow_volatile = true;
    buy(&RedisLedger::connect(volatile).await.unwrap(), 1, 1).await;

    let server =
        RedisServer::with(&[("maxmemory", "100mb"), ("maxmemory-policy", "allkeys-lru")]).await.unwrap();
    assert!(refusal(config(&server)).await.contains("maxmemory-policy allkeys-lru"));

    let primary = RedisServer::start().await.unwrap();
    let of = format!("127.0.0.1 {}", primary.port());
    let replica = RedisServer::with(&[("replicaof", &of)]).await.unwrap();
    assert!(refusal(config(&replica)).await.contains("is a replica"));
}

#[tokio::test]
async fn a_setting_that_makes_no_sense_is_refused() {
    let server = RedisServer::start().await.unwrap();
    let changes: [(Change, &str); 7] = [
        (|config| config.url = "http://127.0.0.1".into(), "redis://"),
        (|config| config.url = "redis-sentinel://127.0.0.1".into(), "#mymaster"),
        (|config| config.url = "redis://127.0.0.1:port/".into(), "not usable"),
        (|config| config.prefix = "a{b}".into(), "prefix"),
        (|config| config.prefix = String::new(), "prefix"),
        (|config| config.connections = 0, "connections"),
        (|config| config.timeout = Duration::ZERO, "time-outs"),
    ];
    for (change, named) in changes {
        let mut config = config(&server);
        change(&mut config);
        let why = refusal(config).await;
        assert!(why.contains(named), "{why}");
    }
}

#[tokio::test]
async fn a_password_is_shown_nowhere() {
    let server = RedisServer::with(&[("requirepass", "correct-horse")]).await.unwrap();
    let with = |password: &str| format!("redis://:{password}@127.0.0.1:{}/0", server.port());
    let ledger = RedisLedger::connect(RedisConfig::new(with("correct-horse"))).await.unwrap();
    buy(&ledger, 1, 1).await;
    assert!(!format!("{ledger:?} {:?}", RedisConfig::new(with("correct-horse"))).contains("horse"));
    let error = RedisLedger::connect(RedisConfig::new(with("battery-staple"))).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert!(!error.to_string().contains("staple"), "{error}");
    let error =
        RedisLedger::connect(RedisConfig::new("redis://:battery-staple@127.0.0.1:x")).await.unwrap_err();
    assert!(!error.to_string().contains("staple"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_survives_kill_9_and_the_node_reconnects() {
    let mut server = RedisServer::with(&[("appendfsync", "always")]).await.unwrap();
    let ledger = connect(&server).await;
    buy(&ledger, 1, 1_000_000).await;
    let mut answered = 0;
    for round in 0..8 {
        let started = Instant::now();
        let mut n = round * 1_000_000;
        let until = Duration::from_millis(20 + round * 13);
        while started.elapsed() < until {
            assert!(open(&ledger, 1, n).await);
            answered += 1;
            n += 1;
        }
        server.kill9().await.unwrap();
        assert!(matches!(ledger.apply(hold(1, n)).await, Err(Error::Unavailable(_))));
        assert!(matches!(ledger.ready().await, Err(Error::Unavailable(_))));
        server.restart().await.unwrap();
        let row = ledger.session(&session(1)).await.unwrap().unwrap();
        assert_eq!(row.captured, answered, "round {round}");
        let lines = ledger.journal(&session(1)).await.unwrap().len();
        assert_eq!(u64::try_from(lines), Ok(answered + 1));
        let last = ledger.stream(&session(1), &stream(n - 1)).await.unwrap().unwrap();
        assert_eq!(last.posted, 1);
    }
}

#[tokio::test]
async fn a_command_cut_off_by_a_crash_is_sent_again_and_applied_once() {
    let mut server = RedisServer::with(&[("appendfsync", "always")]).await.unwrap();
    let ledger = connect(&server).await;
    buy(&ledger, 1, 5).await;
    assert!(matches!(ledger.apply(hold(1, 1)).await, Ok(Outcome::Held { fence: 1, .. })));
    assert!(matches!(ledger.apply(post(1, 1, 1)).await, Ok(Outcome::Done(_))));
    server.restart().await.unwrap();
    // Its answer was lost, say: the same again changes nothing.
    assert!(matches!(ledger.apply(post(1, 1, 1)).await, Ok(Outcome::Replayed(_))));
    assert!(matches!(ledger.apply(record(1, intent(1, 5))).await, Ok(Outcome::Replayed(_))));
    assert!(matches!(ledger.apply(credit(1, 1)).await, Ok(Outcome::Replayed(_))));
    let row = ledger.session(&session(1)).await.unwrap().unwrap();
    assert_eq!((row.bought, row.captured), (5, 1));
}

#[tokio::test]
async fn a_server_that_hangs_costs_a_bounded_wait() {
    let server = RedisServer::start().await.unwrap();
    let mut config = config(&server);
    config.timeout = Duration::from_millis(300);
    let ledger = RedisLedger::connect(config).await.unwrap();
    buy(&ledger, 1, 5).await;
    server.signal("STOP").await.unwrap();
    for _ in 0..3 {
        let asked = Instant::now();
        assert!(matches!(ledger.apply(hold(1, 1)).await, Err(Error::Unavailable(_))));
        assert!(asked.elapsed() < Duration::from_millis(900), "{:?}", asked.elapsed());
    }
    server.signal("CONT").await.unwrap();
    // The commands given up above may run now; the stream is held once all the same.
    assert!(matches!(ledger.apply(hold(1, 1)).await, Ok(Outcome::Held { .. })));
    assert_eq!(ledger.session(&session(1)).await.unwrap().unwrap().held(), 1);
}

/// Everything a node could ask for; none of it may give or take anything.
async fn everything_is_lost(ledger: &RedisLedger) {
    let commands = [
        hold(1, 7),
        post(1, 1, 1),
        record(9, intent(9, 5)),
        attach(1, 1, 1),
        credit(1, 1),
        Command::Revoke { session: session(1) },
        Command::Expire { session: session(1) },
    ];
    for command in commands {
        assert_eq!(ledger.apply(command.clone()).await, Err(Error::Lost), "{command:?}");
    }
    assert_eq!(ledger.once("nonce", MINUTE).await, Err(Error::Lost));
    assert_eq!(ledger.lease("signer", "a", MINUTE).await, Err(Error::Lost));
    assert_eq!(ledger.spend("customer", "payment", vec![], MINUTE).await, Err(Error::Lost));
    assert_eq!(ledger.payments_of("0x01", 1).await, Err(Error::Lost));
    assert_eq!(ledger.session(&session(1)).await, Err(Error::Lost));
    assert_eq!(ledger.payment(&payment(1)).await, Err(Error::Lost));
    assert_eq!(ledger.stream(&session(1), &stream(1)).await, Err(Error::Lost));
    assert_eq!(ledger.journal(&session(1)).await, Err(Error::Lost));
    assert_eq!(ledger.in_doubt(None, 10).await, Err(Error::Lost));
    assert_eq!(ledger.sessions(None, 10).await, Err(Error::Lost));
    assert_eq!(ledger.watch(vec![session(1)]).await, Err(Error::Lost));
    assert_eq!(ledger.ready().await, Err(Error::Lost));
}

#[tokio::test]
async fn after_flushall_nothing_is_given_and_nothing_taken() {
    let server = RedisServer::start().await.unwrap();
    let other = direct(&server).await;
    // Each kind of first question must notice by itself, so each gets a node of its own.
    for first in 0..16 {
        let mut other = other.clone();
        let ledger = connect(&server).await;
        buy(&ledger, 1, 5).await;
        assert!(open(&ledger, 1, 1).await);
        tollwire_redis::redis::cmd("FLUSHALL").exec_async(&mut other).await.unwrap();
        let lost = match first {
            0 => ledger.apply(hold(1, 7)).await.err(),
            1 => ledger.apply(post(1, 1, 1)).await.err(),
            2 => ledger.apply(record(9, intent(9, 5))).await.err(),
            3 => ledger.apply(attach(1, 1, 1)).await.err(),
            4 => ledger.apply(credit(1, 1)).await.err(),
            5 => ledger.apply(Command::Revoke { session: session(1) }).await.err(),
            6 => ledger.once("nonce", MINUTE).await.err(),
            7 => ledger.lease("signer", "a", MINUTE).await.err(),
            8 => ledger.session(&session(1)).await.err(),
            9 => ledger.payment(&payment(1)).await.err(),
            10 => ledger.stream(&session(1), &stream(1)).await.err(),
            11 => ledger.journal(&session(1)).await.err(),
            12 => ledger.in_doubt(None, 10).await.err(),
            13 => ledger.sessions(None, 10).await.err(),
            14 => ledger.watch(vec![session(1)]).await.err(),
            _ => ledger.ready().await.err(),
        };
        assert_eq!(lost, Some(Error::Lost), "first question {first}");
        everything_is_lost(&ledger).await;
        let left = dump(&mut other, "*").await;
        // A mark, a lease or a line of an index, written with the very question that noticed, is all that may be there;
        // no money.
        let no_money = |key: &String| {
            ["once:", "lease:", ":tx:"].iter().any(|kind| key.contains(kind)) || key.ends_with("sessions")
        };
        assert!(left.keys().all(no_money), "{left:?}");
        tollwire_redis::redis::cmd("FLUSHALL").exec_async(&mut other).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_restarted_without_its_data_is_lost() {
    let mut server = RedisServer::start().await.unwrap();
    let ledger = connect(&server).await;
    buy(&ledger, 1, 5).await;
    server.restart_empty().await.unwrap();
    assert_eq!(ledger.apply(hold(1, 1)).await, Err(Error::Lost));
    everything_is_lost(&ledger).await;
    assert!(dump(&mut direct(&server).await, "*").await.is_empty());
    // A node that starts now finds a new, empty store.
    let fresh = connect(&server).await;
    assert_eq!(fresh.apply(hold(1, 1)).await, Ok(Outcome::Unknown));
}

#[tokio::test]
async fn a_half_restored_store_is_refused() {
    let server = RedisServer::start().await.unwrap();
    let ledger = connect(&server).await;
    buy(&ledger, 1, 5).await;
    server.command(&["DEL", "tollwire:epoch"]).await.unwrap();
    assert!(refusal(config(&server)).await.contains("partly restored"));
    assert_eq!(ledger.ready().await, Err(Error::Lost));
}

#[tokio::test]
async fn replicas_are_waited_for() {
    let primary = RedisServer::start().await.unwrap();
    let mut config = config(&primary);
    config.wait_replicas = 1;
    config.wait_timeout = Duration::from_millis(200);
    let hurried = RedisLedger::connect(config.clone()).await.unwrap();
    let alone = hurried.apply(record(1, intent(1, 5))).await;
    assert_eq!(alone, Err(Error::Unavailable("0 of 1 replicas answered in time".into())));

    let of = format!("127.0.0.1 {}", primary.port());
    let replica = RedisServer::with(&[("replicaof", &of)]).await.unwrap();
    // A busy machine's replica may take its time.
    config.wait_timeout = Duration::from_secs(4);
    let ledger = RedisLedger::connect(config).await.unwrap();
    // Until the replica has caught up, the answer stays the same; then the same command is answered as a replay.
    let recorded = loop {
        match ledger.apply(record(1, intent(1, 5))).await {
            Err(Error::Unavailable(_)) => {}
            other => break other,
        }
    };
    assert!(matches!(recorded, Ok(Outcome::Replayed(_))), "{recorded:?}");
    assert!(matches!(ledger.apply(attach(1, 1, 1)).await, Ok(Outcome::Done(_))));
    assert!(matches!(ledger.apply(credit(1, 1)).await, Ok(Outcome::Done(_))));
    let key = format!("tollwire:{{{}}}:session", session(1));
    assert_eq!(replica.command(&["HGET", &key, "bought"]).await.unwrap(), "5");
}

#[tokio::test]
async fn forgotten_scripts_are_loaded_again() {
    let server = RedisServer::start().await.unwrap();
    let ledger = connect(&server).await;
    buy(&ledger, 1, 5).await;
    for n in 0..3 {
        server.command(&["SCRIPT", "FLUSH"]).await.unwrap();
        assert!(open(&ledger, 1, n).await);
    }
    assert_eq!(ledger.session(&session(1)).await.unwrap().unwrap().captured, 3);
}

#[tokio::test]
async fn a_store_keeps_its_birth() {
    let server = RedisServer::start().await.unwrap();
    let clock = common::ManualClock::new();
    let mut with_clock = config(&server);
    with_clock.clock = Some(clock.shared());
    let first = RedisLedger::connect(with_clock.clone()).await.unwrap();
    let began = first.born().await.unwrap();
    assert_eq!(began, clock.shared().now());
    clock.advance(60_000);
    assert_eq!(RedisLedger::connect(with_clock).await.unwrap().born().await, Ok(began));
    assert_eq!(connect(&server).await.born().await, Ok(began), "whatever clock a node has");

    // By the server's clock, if the node brings none.
    let mut fresh = config(&server);
    fresh.prefix = "other:".into();
    let born = RedisLedger::connect(fresh).await.unwrap().born().await.unwrap();
    assert!(SystemClock.now().since(born) < MINUTE && born.since(SystemClock.now()) < MINUTE);

    // An epoch that says nothing of it, as an earlier build made them: nothing is newer.
    let mut silent = config(&server);
    silent.prefix = "silent:".into();
    server.command(&["SET", "silent:epoch", "12345"]).await.unwrap();
    let born = RedisLedger::connect(silent).await.unwrap().born().await.unwrap();
    assert!(born > SystemClock.now().after(1000 * 365 * 24 * 60 * MINUTE));
}
