//! A provider's own server meters its streams by the rules of the proxy.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

#[path = "../../meter/tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::Duration;
use support::watching::Watching;
use support::{buy, ledger, session, session_id, stream_id};
use tokio::time::Instant;
use tollwire_ledger::{Command, Ledger};
use tollwire_middleware_meter::{Meter, MeterConfig, MeteredStream, Opening, Refusal, Terms};
use tollwire_x402::Unit;
use tollwire_x402::close::CloseCode;

fn opening(n: usize, unit: Unit) -> Opening {
    let terms = Terms { unit, max_stream: Duration::from_hours(24), grace: Duration::from_secs(30) };
    Opening::new(session_id(), stream_id(n), "ticks".parse().unwrap(), terms)
}

async fn started(meter: &Meter, n: usize, unit: Unit) -> MeteredStream {
    meter.open(opening(n, unit)).await.unwrap().start().await.unwrap()
}

async fn meter_with(unit: Unit, units: u64) -> (Arc<dyn Ledger>, Meter) {
    let ledger = ledger();
    buy(&*ledger, 1, unit, units).await;
    let meter = Meter::new(Arc::clone(&ledger), MeterConfig::default());
    (ledger, meter)
}

#[tokio::test(start_paused = true)]
async fn messages_pass_until_nothing_is_left() {
    let (ledger, meter) = meter_with(Unit::Message, 10).await;
    let mut stream = started(&meter, 1, Unit::Message).await;
    // One unit each, and three for 64 KiB twice and a bit.
    for _ in 0..7 {
        stream.message(100).await.unwrap();
    }
    stream.message(128 * 1024 + 1).await.unwrap();
    assert_eq!(stream.message(0).await.unwrap_err().code, CloseCode::Exhausted);
    assert_eq!(stream.ended().await.code, CloseCode::Exhausted);
    stream.finish().await;
    let row = session(&*ledger).await;
    assert_eq!((row.captured, row.held(), row.remaining()), (10, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn kibs_are_rounded_up_once_over_the_stream() {
    let (ledger, meter) = meter_with(Unit::Kib, 100).await;
    let mut stream = started(&meter, 1, Unit::Kib).await;
    for _ in 0..30 {
        stream.bytes(100).await.unwrap();
    }
    stream.finish().await;
    let row = session(&*ledger).await;
    assert_eq!((row.captured, row.remaining()), (3, 97));
}

#[tokio::test(start_paused = true)]
async fn four_seconds_last_four_seconds() {
    let (ledger, meter) = meter_with(Unit::Second, 4).await;
    let begun = Instant::now();
    let stream = started(&meter, 1, Unit::Second).await;
    assert_eq!(stream.ended().await.code, CloseCode::Exhausted);
    assert!((4_000..4_100).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    stream.finish().await;
    assert_eq!(session(&*ledger).await.captured, 4);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_started_or_not_used_comes_back() {
    let (ledger, meter) = meter_with(Unit::Stream, 3).await;
    drop(meter.open(opening(1, Unit::Stream)).await.unwrap());
    meter.open(opening(2, Unit::Stream)).await.unwrap().give_back().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(session(&*ledger).await.remaining(), 3);
    let stream = started(&meter, 3, Unit::Stream).await;
    // Dropped without a word.
    drop(stream);
    meter.drain(Duration::from_secs(5)).await;
    let row = session(&*ledger).await;
    assert_eq!((row.captured, row.held(), row.live.len()), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn revocation_reaches_the_providers_streams() {
    let (ledger, meter) = meter_with(Unit::Message, 100).await;
    let mut stream = started(&meter, 1, Unit::Message).await;
    stream.message(1).await.unwrap();
    let _done = ledger.apply(Command::Revoke { session: session_id() }).await.unwrap();
    let asked = Instant::now();
    assert_eq!(stream.ended().await.code, CloseCode::Unauthorized);
    assert!(asked.elapsed() <= Duration::from_secs(2), "{:?}", asked.elapsed());
    stream.finish().await;
    assert_eq!(session(&*ledger).await.captured, 1);
    assert_eq!(meter.open(opening(2, Unit::Message)).await.err(), Some(Refusal::Revoked));
}

#[tokio::test(start_paused = true)]
async fn a_store_out_of_reach_ends_the_stream_with_its_lease() {
    let watching = Watching::new(ledger());
    let ledger = watching.as_ledger();
    buy(&*ledger, 1, Unit::Message, 1_000_000).await;
    let meter = Meter::new(Arc::clone(&ledger), MeterConfig::default());
    let mut stream = started(&meter, 1, Unit::Message).await;
    for _ in 0..100 {
        stream.message(1).await.unwrap();
    }
    watching.set_down(true);
    let cut = Instant::now();
    let code = loop {
        match stream.message(1).await {
            Ok(()) => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(ended) => break ended.code,
        }
    };
    assert_eq!(code, CloseCode::TryAgainLater);
    assert!(cut.elapsed() <= Duration::from_secs(21), "{:?}", cut.elapsed());
}
