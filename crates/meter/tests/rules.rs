//! Each rule of metering by itself, in virtual time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

mod support;

use std::sync::Arc;
use std::time::Duration;
use support::watching::Watching;
use support::{Path, buy, ledger, meter, order, session};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tollwire_meter::{Charge, Gauge, Meter, MeterConfig, Refusal};
use tollwire_x402::Unit;
use tollwire_x402::close::CloseCode;

async fn opened(meter: &Meter, n: usize, unit: Unit) -> Charge {
    let mut charge = meter.open(&order(n, unit)).await.unwrap();
    charge.capture().await.unwrap();
    charge.served();
    charge
}

/// Keeps an account; ends with the code, and settles what its path used.
fn keep(mut charge: Charge, path: &Arc<Path>) -> JoinHandle<CloseCode> {
    let path = Arc::clone(path);
    let resident = charge.enter("ticks".parse().unwrap());
    tokio::spawn(async move {
        let code = charge.keep(&*path, &()).await;
        charge.note_used(path.used());
        charge.settle().await;
        drop(resident);
        code
    })
}

/// Sends so many frames of one unit each, evenly, as far as they are covered.
fn traffic(path: &Arc<Path>, per_second: u64, seconds: u64) -> JoinHandle<()> {
    let path = Arc::clone(path);
    tokio::spawn(async move {
        for _ in 0..seconds * 20 {
            for _ in 0..per_second / 20 {
                path.send(1).await;
            }
            sleep(Duration::from_millis(50)).await;
        }
    })
}

#[tokio::test(start_paused = true)]
async fn five_seconds_last_five_seconds() {
    let ledger = ledger();
    buy(&*ledger, 1, Unit::Second, 5).await;
    let meter = meter(&ledger, MeterConfig::default());
    let (path, begun) = (Path::new(0), Instant::now());
    let ended = keep(opened(&meter, 1, Unit::Second).await, &path);
    sleep(Duration::from_millis(4_990)).await;
    assert!(path.runs(), "the fifth second is served whole");
    assert_eq!(ended.await.unwrap(), CloseCode::Exhausted);
    let lasted = begun.elapsed();
    assert!((5_000..5_050).contains(&lasted.as_millis()), "{lasted:?}");
    assert!(!path.runs());
    let row = session(&*ledger).await;
    assert_eq!((row.captured, row.held(), row.remaining()), (5, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_second_that_has_begun_is_paid_and_the_rest_comes_back() {
    let ledger = ledger();
    buy(&*ledger, 1, Unit::Second, 100).await;
    let meter = meter(&ledger, MeterConfig::default());
    let mut charge = opened(&meter, 1, Unit::Second).await;
    let path = Path::new(0);
    let cut = timeout(Duration::from_millis(7_300), charge.keep(&*path, &())).await;
    assert!(cut.is_err());
    charge.note_ended(Instant::now());
    charge.settle().await;
    sleep(Duration::from_secs(20)).await;
    let row = session(&*ledger).await;
    // Seven whole seconds and the eighth, which had begun.
    assert_eq!((row.captured, row.held(), row.remaining()), (8, 0, 92));
}

#[tokio::test(start_paused = true)]
async fn streams_share_seconds_to_the_last_one() {
    let ledger = ledger();
    buy(&*ledger, 1, Unit::Second, 12).await;
    let nodes = [meter(&ledger, MeterConfig::default()), meter(&ledger, MeterConfig::default())];
    let paths = [Path::new(0), Path::new(0), Path::new(0)];
    let mut ends = Vec::new();
    for (n, path) in paths.iter().enumerate() {
        ends.push(keep(opened(&nodes[n % 2], n, Unit::Second).await, path));
    }
    for end in ends {
        assert_eq!(end.await.unwrap(), CloseCode::Exhausted);
    }
    let row = session(&*ledger).await;
    assert_eq!((row.captured, row.remaining()), (12, 0));
}

#[tokio::test(start_paused = true)]
async fn a_busy_stream_asks_about_once_a_second_and_the_end_comes_at_once() {
    let watching = Watching::new(ledger());
    let ledger = watching.as_ledger();
    buy(&*ledger, 1, Unit::Message, 62_000).await;
    let meter = meter(&ledger, MeterConfig::default());
    let path = Path::new(0);
    let ended = keep(opened(&meter, 1, Unit::Message).await, &path);
    let sending = traffic(&path, 1_000, 70);
    sleep(Duration::from_secs(10)).await;
    let before = watching.asked();
    sleep(Duration::from_secs(40)).await;
    let asked = watching.asked() - before;
    assert!(asked <= 44, "{asked} commands in 40 seconds");
    assert_eq!(ended.await.unwrap(), CloseCode::Exhausted);
    assert_eq!(path.used(), 62_000, "to the last unit");
    let row = session(&*ledger).await;
    assert_eq!((row.captured, row.remaining()), (62_000, 0));
    sending.abort();
}

#[tokio::test(start_paused = true)]
async fn many_busy_streams_ask_no_more_often_than_the_store_can_bear_and_none_waits() {
    let watching = Watching::new(ledger());
    let ledger = watching.as_ledger();
    buy(&*ledger, 1, Unit::Message, 10_000_000).await;
    let mut config = MeterConfig::default();
    config.renewals_per_sec_max = 20;
    let meter = meter(&ledger, config);
    let mut streams = Vec::new();
    for n in 0..90 {
        let path = Path::new(0);
        let ended = keep(opened(&meter, n, Unit::Message).await, &path);
        streams.push((traffic(&path, 40, 90), path, ended));
    }
    sleep(Duration::from_secs(30)).await;
    let used = |streams: &[(_, Arc<Path>, _)]| streams.iter().map(|(_, path, _)| path.used()).sum::<u64>();
    let before = (watching.asked(), used(&streams));
    sleep(Duration::from_secs(40)).await;
    let (asked, served) = (watching.asked() - before.0, used(&streams) - before.1);
    assert!(asked <= 40 * 22 + 40, "{asked} commands in 40 seconds, one look a second among them");
    assert_eq!(served, 90 * 40 * 40, "nobody waited");
    assert!(streams.iter().all(|(_, _, ended)| !ended.is_finished()));
}

/// Ninety streams that begin at once are all short, and the store answers seventeen a second: were all asked for at once,
/// most would wait too long for their answer and ask again, for ever.
#[tokio::test(start_paused = true)]
async fn a_store_that_falls_behind_is_not_asked_the_more() {
    let watching = Watching::new(ledger());
    let ledger = watching.as_ledger();
    buy(&*ledger, 1, Unit::Message, 10_000_000).await;
    let mut config = MeterConfig::default();
    config.renewals_per_sec_max = 12;
    config.renewals_at_once_max = 4;
    let meter = meter(&ledger, config);
    let mut streams = Vec::new();
    for n in 0..90 {
        let path = Path::new(0);
        streams.push((keep(opened(&meter, n, Unit::Message).await, &path), path));
    }
    watching.set_slow(Duration::from_millis(60));
    for (_, path) in &streams {
        let path = Arc::clone(path);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_secs(1));
            loop {
                ticks.tick().await;
                path.send(1).await;
            }
        });
    }
    sleep(Duration::from_secs(40)).await;
    let used = || streams.iter().map(|(_, path)| path.used()).sum::<u64>();
    let before = used();
    sleep(Duration::from_secs(30)).await;
    assert!(streams.iter().all(|(ended, _)| !ended.is_finished()), "none was cut off");
    let served = used() - before;
    assert!(served >= 90 * 29, "and none waits: {served}");
}

#[tokio::test(start_paused = true)]
async fn an_idle_stream_gives_back_and_costs_nothing() {
    let watching = Watching::new(ledger());
    let ledger = watching.as_ledger();
    buy(&*ledger, 1, Unit::Kib, 100).await;
    let meter = meter(&ledger, MeterConfig::default());
    let path = Path::new(0);
    let ended = keep(opened(&meter, 1, Unit::Kib).await, &path);
    path.send(3).await;
    sleep(Duration::from_secs(12)).await;
    let row = session(&*ledger).await;
    assert_eq!((row.captured, row.held(), row.remaining()), (3, 0, 97));
    let before = watching.asked();
    sleep(Duration::from_hours(1)).await;
    assert_eq!(watching.asked(), before);
    // And goes on as if nothing had been.
    path.send(5).await;
    assert!(!ended.is_finished());
}

#[tokio::test(start_paused = true)]
async fn no_stream_is_refused_while_units_lie_unused_on_another_node() {
    let ledger = ledger();
    buy(&*ledger, 1, Unit::Message, 4).await;
    let (here, there) = (meter(&ledger, MeterConfig::default()), meter(&ledger, MeterConfig::default()));
    let path = Path::new(0);
    let ended = keep(opened(&here, 1, Unit::Message).await, &path);
    // It has used one and holds what is left of its share.
    path.send(1).await;
    sleep(Duration::from_millis(10)).await;
    let mut others = Vec::new();
    for n in 2..5 {
        let other = Path::new(0);
        others.push(keep(opened(&there, n, Unit::Message).await, &other));
        other.send(1).await;
    }
    assert_eq!(
        there.open(&order(5, Unit::Message)).await.err(),
        Some(Refusal::Exhausted { held_elsewhere: false })
    );
    sleep(Duration::from_secs(2)).await;
    // Nothing is left for anybody: every stream is told.
    assert_eq!(ended.await.unwrap(), CloseCode::Exhausted);
    for other in others {
        assert_eq!(other.await.unwrap(), CloseCode::Exhausted);
    }
    assert_eq!(session(&*ledger).await.captured, 4);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_cannot_be_renewed_ends_the_stream_and_serves_nothing_more() {
    let watching = Watching::new(ledger());
    let ledger = watching.as_ledger();
    buy(&*ledger, 1, Unit::Message, 1_000_000).await;
    let meter = meter(&ledger, MeterConfig::default());
    let path = Path::new(0);
    let ended = keep(opened(&meter, 1, Unit::Message).await, &path);
    let sending = traffic(&path, 100, 100);
    sleep(Duration::from_secs(20)).await;
    watching.set_down(true);
    let cut = Instant::now();
    sleep(Duration::from_secs(10)).await;
    assert!(!path.runs() || path.ahead() == 0, "no lease runs longer than ten seconds");
    let used = path.used();
    assert_eq!(ended.await.unwrap(), CloseCode::TryAgainLater);
    assert!(cut.elapsed() < Duration::from_secs(11), "{:?}", cut.elapsed());
    assert_eq!(path.used(), used);
    sleep(Duration::from_mins(10)).await;
    watching.set_down(false);
    sleep(Duration::from_mins(1)).await;
    let row = session(&*ledger).await;
    assert_eq!((row.held(), row.live.len()), (0, 0));
    assert_eq!(row.captured, used, "the end was told when the store was back");
    sending.abort();
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_for_a_moment_interrupts_nobody() {
    let watching = Watching::new(ledger());
    let ledger = watching.as_ledger();
    buy(&*ledger, 1, Unit::Message, 1_000_000).await;
    let meter = meter(&ledger, MeterConfig::default());
    let path = Path::new(0);
    let ended = keep(opened(&meter, 1, Unit::Message).await, &path);
    let sending = traffic(&path, 100, 30);
    sleep(Duration::from_secs(10)).await;
    watching.set_down(true);
    sleep(Duration::from_secs(4)).await;
    watching.set_down(false);
    sending.await.unwrap();
    assert_eq!(path.used(), 3_000);
    assert!(!ended.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_process_that_stood_still_serves_nothing_before_it_has_asked() {
    let ledger = ledger();
    buy(&*ledger, 1, Unit::Message, 1_000).await;
    let meter = meter(&ledger, MeterConfig::default());
    let path = Path::new(0);
    let _ended = keep(opened(&meter, 1, Unit::Message).await, &path);
    for _ in 0..20 {
        path.send(1).await;
    }
    assert!(path.runs());
    // Nobody is polled while time passes.
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(!path.runs());
}

#[tokio::test(start_paused = true)]
async fn a_process_that_stood_still_while_it_asked_asks_again() {
    let watching = Watching::new(ledger());
    let ledger = watching.as_ledger();
    buy(&*ledger, 1, Unit::Message, 1_000_000).await;
    let meter = meter(&ledger, MeterConfig::default());
    let path = Path::new(0);
    let ended = keep(opened(&meter, 1, Unit::Message).await, &path);
    let sending = traffic(&path, 100, 100);
    sleep(Duration::from_secs(5)).await;
    watching.set_hanging(true);
    sleep(Duration::from_millis(1_500)).await;
    watching.set_hanging(false);
    // A renewal is under way. Nobody is polled while time passes.
    tokio::time::advance(Duration::from_secs(60)).await;
    sleep(Duration::from_secs(1)).await;
    assert!(!ended.is_finished() && path.runs());
    sending.abort();
}

/// Seconds in which nothing could move are nobody's to pay, however many they were.
#[tokio::test(start_paused = true)]
async fn a_process_that_stood_still_charges_no_second_of_it() {
    let ledger = ledger();
    buy(&*ledger, 1, Unit::Second, 1_000).await;
    let meter = meter(&ledger, MeterConfig::default());
    let path = Path::new(0);
    let ended = keep(opened(&meter, 1, Unit::Second).await, &path);
    sleep(Duration::from_millis(7_300)).await;
    // Nobody is polled while time passes.
    tokio::time::advance(Duration::from_mins(10)).await;
    assert!(!path.runs());
    sleep(Duration::from_millis(3_000)).await;
    assert!(path.runs(), "it goes on");
    sleep(Duration::from_secs(30)).await;
    let row = session(&*ledger).await;
    // Ten seconds of a lease at most before, 33 after, and what had begun or was told early.
    assert!((40..=50).contains(&row.captured), "{}", row.captured);
    assert!(!ended.is_finished());
}

#[tokio::test(start_paused = true)]
async fn seconds_without_a_store_are_paid_as_far_as_the_lease_reached() {
    let watching = Watching::new(ledger());
    let ledger = watching.as_ledger();
    buy(&*ledger, 1, Unit::Second, 1_000).await;
    let meter = meter(&ledger, MeterConfig::default());
    let (path, begun) = (Path::new(0), Instant::now());
    let mut charge = opened(&meter, 1, Unit::Second).await;
    sleep(Duration::from_millis(300)).await;
    watching.set_down(true);
    let code = charge.keep(&*path, &()).await;
    assert_eq!(code, CloseCode::TryAgainLater);
    assert!(!path.runs() && begun.elapsed() < Duration::from_secs(17), "{:?}", begun.elapsed());
    sleep(Duration::from_mins(5)).await;
    charge.note_ended(Instant::now());
    watching.set_down(false);
    charge.settle().await;
    let row = session(&*ledger).await;
    assert_eq!((row.captured, row.held()), (1, 0), "the second that was captured with the open, and no more");
}

#[tokio::test(start_paused = true)]
async fn a_top_up_wakes_a_stream_that_waits_for_nothing_else() {
    let ledger = ledger();
    buy(&*ledger, 1, Unit::Message, 10).await;
    let meter = meter(&ledger, MeterConfig::default());
    let path = Path::new(0);
    let ended = keep(opened(&meter, 1, Unit::Message).await, &path);
    for _ in 0..9 {
        path.send(1).await;
    }
    buy(&*ledger, 2, Unit::Message, 10).await;
    meter.look_again(&support::session_id());
    for _ in 0..11 {
        path.send(1).await;
    }
    assert_eq!(ended.await.unwrap(), CloseCode::Exhausted);
    assert_eq!(session(&*ledger).await.captured, 20);
}

#[tokio::test(start_paused = true)]
async fn a_frame_dearer_than_the_share_is_held_whole_or_not_at_all() {
    let ledger = ledger();
    buy(&*ledger, 1, Unit::Kib, 100).await;
    let meter = meter(&ledger, MeterConfig::default());
    let path = Path::new(0);
    let ended = keep(opened(&meter, 1, Unit::Kib).await, &path);
    path.send(90).await;
    assert!(timeout(Duration::from_secs(30), path.send(11)).await.is_err());
    assert_eq!(ended.await.unwrap(), CloseCode::Exhausted);
    let row = session(&*ledger).await;
    assert_eq!((row.captured, row.remaining()), (90, 10));
}
