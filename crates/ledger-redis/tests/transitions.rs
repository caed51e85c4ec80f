//! Transitions on a real server: many hands, one round trip, all or nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

#[path = "../../ledger/tests/common/mod.rs"]
mod common;
mod support;

use common::{ManualClock, attach, buy, credit, hold, intent, open, payment, post, record, session, stream};
use std::time::Duration;
use support::{config, connect, direct, dump, hands};
use tollwire_ledger::spend::Spent;
use tollwire_ledger::{Command, Error, Ledger, Outcome};
use tollwire_ledger_redis::RedisLedger;
use tollwire_redis::redis::{Value, cmd};
use tollwire_testkit::redis::RedisServer;

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn as_many_are_admitted_as_there_are_seats_on_two_nodes() {
    let server = RedisServer::start().await.unwrap();
    hands::seats_are_taken_once([connect(&server).await.into(), connect(&server).await.into()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_payment_opens_one_session_whichever_node_takes_it() {
    let server = RedisServer::start().await.unwrap();
    hands::payments_open_one_session([connect(&server).await.into(), connect(&server).await.into()]).await;
}

#[tokio::test]
async fn a_hold_is_one_round_trip_and_one_command() {
    let server = RedisServer::start().await.unwrap();
    let ledger = connect(&server).await;
    buy(&ledger, 1, 100).await;
    assert!(open(&ledger, 1, 99).await);
    server.command(&["CONFIG", "RESETSTAT"]).await.unwrap();
    for n in 0..50 {
        assert!(matches!(ledger.apply(hold(1, n)).await, Ok(Outcome::Held { .. })));
        assert!(matches!(ledger.apply(post(1, n, 1)).await, Ok(Outcome::Done(_))));
    }
    let counted = server.command(&["INFO", "commandstats"]).await.unwrap();
    let calls = |name: &str| {
        let line = counted.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls=")));
        line.map_or(0, |line| line.split(',').next().unwrap().parse::<usize>().unwrap())
    };
    assert_eq!((calls("evalsha"), calls("eval"), calls("ping")), (100, 0, 0));
    assert!(
        calls("get") <= config(&server).connections,
        "the epoch is read when a connection is made, not more"
    );
}

#[tokio::test]
async fn a_lapsed_hold_taken_again_stays_taken() {
    let server = RedisServer::start().await.unwrap();
    let clock = ManualClock::new();
    let mut config = config(&server);
    config.clock = Some(clock.shared());
    let ledger = RedisLedger::connect(config).await.unwrap();
    buy(&ledger, 1, 1).await;
    assert!(matches!(ledger.apply(hold(1, 1)).await, Ok(Outcome::Held { fence: 1, .. })));
    clock.advance(30_000);
    assert_eq!(ledger.session(&session(1)).await.unwrap().unwrap().held(), 0);
    assert!(matches!(ledger.apply(hold(1, 1)).await, Ok(Outcome::Held { fence: 2, .. })));
    assert_eq!(ledger.session(&session(1)).await.unwrap().unwrap().held(), 1);
    assert_eq!(ledger.apply(hold(1, 2)).await, Ok(Outcome::Exhausted { held_elsewhere: true }));
}

#[tokio::test]
async fn many_lapsed_streams_are_swept_at_once() {
    let server = RedisServer::start().await.unwrap();
    let clock = ManualClock::new();
    let mut config = config(&server);
    config.clock = Some(clock.shared());
    let ledger = RedisLedger::connect(config).await.unwrap();
    buy(&ledger, 1, 20_000).await;
    let key = format!("tollwire:{{{}}}:session", session(1));
    let mut other = direct(&server).await;
    let mut left = cmd("HSET");
    left.arg(&key);
    for n in 0..20_000 {
        left.arg(format!("h:{}", stream(n))).arg(format!("1 {}", common::START + 10));
    }
    left.exec_async(&mut other).await.unwrap();
    clock.advance(10);
    assert!(open(&ledger, 1, 1).await);
    let fields: u64 = cmd("HLEN").arg(&key).query_async(&mut other).await.unwrap();
    assert!(fields < 40, "{fields}");
}

#[tokio::test]
async fn redis_time_lapses_holds_by_default() {
    let server = RedisServer::start().await.unwrap();
    let ledger = connect(&server).await;
    buy(&ledger, 1, 1).await;
    let (session, stream, lease) = (session(1), stream(1), Duration::from_millis(300));
    let short =
        Command::Hold { session, stream, fence: None, to: 1, lease, streams_max: common::STREAMS_MAX };
    assert!(matches!(ledger.apply(short).await, Ok(Outcome::Held { .. })));
    assert_eq!(ledger.apply(hold(1, 2)).await, Ok(Outcome::Exhausted { held_elsewhere: true }));
    let again = loop {
        match ledger.apply(hold(1, 2)).await.unwrap() {
            Outcome::Exhausted { .. } => tokio::time::sleep(Duration::from_millis(20)).await,
            other => break other,
        }
    };
    assert!(matches!(again, Outcome::Held { fence: 1, .. }));
    assert!(ledger.once("nonce", Duration::from_millis(50)).await.unwrap());
    while !ledger.once("nonce", Duration::from_millis(50)).await.unwrap() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Every transition that writes, ready to run.
fn writers() -> Vec<Command> {
    let (session, stream) = (session(1), stream(1));
    vec![
        record(2, intent(1, 5)),
        attach(1, 1, 9),
        credit(1, 1),
        Command::Abandon { payment: payment(1), session: session.clone(), reason: "x".into() },
        hold(1, 2),
        hold(1, 1),
        post(1, 1, 1),
        Command::Void { session: session.clone(), stream: stream.clone(), fence: 1 },
        Command::Reverse { session: session.clone(), stream: common::stream(3), fence: 1 },
        Command::End { session: session.clone(), stream: common::stream(3), fence: 1, used: 0 },
        Command::Freeze { payment: payment(5), session: session.clone() },
        common::thaw(5, 1, 99),
        Command::Revoke { session: session.clone() },
        Command::Expire { session },
    ]
}

/// A session with a captured stream (3) and a held one (1), and a pending payment (1) for it.
async fn stage(server: &RedisServer, prefix: &str) -> RedisLedger {
    let mut config = config(server);
    config.prefix = prefix.to_owned();
    config.connections = 1;
    let ledger = RedisLedger::connect(config).await.unwrap();
    let bought = tollwire_ledger::model::Intent { balance_ttl_ms: 86_400_000, ..intent(1, 5) };
    assert!(matches!(ledger.apply(record(5, bought)).await, Ok(Outcome::Done(_))));
    assert!(matches!(ledger.apply(credit(5, 1)).await, Ok(Outcome::Done(_))));
    assert!(open(&ledger, 1, 3).await);
    assert!(matches!(ledger.apply(hold(1, 1)).await, Ok(Outcome::Held { .. })));
    assert!(matches!(ledger.apply(record(1, intent(1, 5))).await, Ok(Outcome::Done(_))));
    ledger
}

/// T21: whichever key is of the wrong type, and whichever field unreadable, a transition changes nothing.
#[tokio::test]
async fn bad_data_leaves_nothing_half_written() {
    let server = RedisServer::start().await.unwrap();
    let mut other = direct(&server).await;
    let tag = format!("{{{}}}:", session(1));
    let of = |what: &str| format!("{tag}{what}");
    let payment_key = of(&format!("payment:{}", payment(1)));
    let wrong_type = [of("session"), of("streams"), of("journal"), of("live"), payment_key.clone()];
    let bad_fields = [
        (of("session"), "bought", "x"),
        (of("session"), "captured", "99"),
        (of("session"), "captured", "-1"),
        (of("session"), "deposited", "1e3"),
        (of("session"), "revision", "9007199254740993"),
        (of("session"), "revoked", "2"),
        (of("session"), "frozen", "-1"),
        (of("session"), "block", "x"),
        (of("session"), "h:stream-0000000000000001", "1"),
        (of("streams"), "stream-0000000000000003", "1 1 1 - 0 soon"),
        (of("streams"), "stream-0000000000000001", "0 1"),
        (of("streams"), "stream-0000000000000003", "1 1 x 1 0"),
        (payment_key, "fate", "maybe"),
        (of(&format!("payment:{}", payment(5))), "gone", "2"),
    ];
    let (mut staged, mut corrupt, mut unharmed) = (0, 0, 0);
    for harm in 0..wrong_type.len() + bad_fields.len() {
        for command in writers() {
            staged += 1;
            let prefix = format!("{staged}:");
            let ledger = stage(&server, &prefix).await;
            if let Some(key) = wrong_type.get(harm) {
                let key = format!("{prefix}{key}");
                cmd("SET").arg(key).arg("of the wrong type").exec_async(&mut other).await.unwrap();
            } else if let Some((key, field, value)) = bad_fields.get(harm - wrong_type.len()) {
                let key = format!("{prefix}{key}");
                cmd("HSET").arg(key).arg(field).arg(value).exec_async(&mut other).await.unwrap();
            }
            let money = format!("{prefix}{{*");
            let before = dump(&mut other, &money).await;
            match ledger.apply(command.clone()).await {
                Err(Error::Corrupt(_)) => {
                    assert_eq!(dump(&mut other, &money).await, before, "harm {harm}, {command:?}");
                    corrupt += 1;
                }
                // The command did not need what is broken.
                Ok(_) => unharmed += 1,
                other => panic!("harm {harm}, {command:?}: {other:?}"),
            }
        }
    }
    assert!(corrupt > 100 && unharmed > 0, "{corrupt} refused, {unharmed} unharmed");
}

#[tokio::test]
async fn a_full_server_takes_nothing_in() {
    let server = RedisServer::start().await.unwrap();
    let ledger = stage(&server, "tollwire:").await;
    server.command(&["CONFIG", "SET", "maxmemory", "1"]).await.unwrap();
    let mut other = direct(&server).await;
    let before = dump(&mut other, "*").await;
    for command in [record(2, intent(1, 5)), attach(1, 1, 9), credit(1, 1), hold(1, 2), post(1, 1, 1)] {
        let refused = ledger.apply(command.clone()).await;
        assert!(matches!(refused, Err(Error::Unavailable(_))), "{command:?}: {refused:?}");
        assert_eq!(dump(&mut other, "*").await, before, "{command:?}");
    }
    server.command(&["CONFIG", "SET", "maxmemory", "0"]).await.unwrap();
    assert!(matches!(ledger.apply(credit(1, 1)).await, Ok(Outcome::Done(_))));
}

/// A node died after it pointed a payment at a session and before it recorded the payment.
#[tokio::test]
async fn a_record_cut_in_half_is_finished_by_the_next() {
    let server = RedisServer::start().await.unwrap();
    let ledger = connect(&server).await;
    let pointer = format!("tollwire:at:{}", payment(1));
    server.command(&["SET", &pointer, session(1).as_str()]).await.unwrap();
    server.command(&["ZADD", "tollwire:in-doubt", "0", payment(1).as_str()]).await.unwrap();
    assert_eq!(ledger.payment(&payment(1)).await, Ok(None));
    assert_eq!(ledger.in_doubt(None, 10).await, Ok(vec![]));
    let Outcome::Done(view) = ledger.apply(record(1, intent(2, 5))).await.unwrap() else {
        panic!("not recorded")
    };
    assert_eq!(view.payment.unwrap().intent.session, session(1), "the pointer decides");
    assert_eq!(ledger.in_doubt(None, 10).await.unwrap().len(), 1);
    assert!(matches!(ledger.apply(credit(1, 1)).await, Ok(Outcome::Done(_))));
    assert_eq!(ledger.in_doubt(None, 10).await, Ok(vec![]));
    let indexed = server.command(&["ZCARD", "tollwire:in-doubt"]).await.unwrap();
    assert_eq!(indexed, "0", "listing removed what is settled");

    // The pointer of a top-up that was never recorded does not lend its session to another purchase.
    buy(&ledger, 3, 5).await;
    server.command(&["SET", &format!("tollwire:at:{}", payment(4)), session(3).as_str()]).await.unwrap();
    assert_eq!(ledger.apply(record(4, intent(5, 5))).await, Ok(Outcome::Foreign));
    assert!(matches!(ledger.apply(record(4, intent(3, 5))).await, Ok(Outcome::Done(_))));
}

#[tokio::test]
async fn nothing_that_is_money_has_a_time_to_live() {
    let server = RedisServer::start().await.unwrap();
    let ledger = stage(&server, "tollwire:").await;
    assert!(ledger.once("nonce", MINUTE).await.unwrap());
    assert_eq!(ledger.spend("customer", "payment", vec![], MINUTE).await, Ok(Spent::Done));
    let mut other = direct(&server).await;
    for key in dump(&mut other, "*").await.into_keys() {
        let left: Value = cmd("PTTL").arg(&key).query_async(&mut other).await.unwrap();
        assert_eq!(
            left == Value::Int(-1),
            !(key.contains("once:") || key.contains("purse:")),
            "{key}: {left:?}"
        );
    }
}
