//! Processes that stand still for longer than a lease and then go on as if nothing had been: a node, Redis.

use crate::books::served;
use crate::rig::{Account, LEASE, MARGIN, Rig, lease_bound, open_at};
use crate::stream::Stream;
use crate::{SLACK, together};
use std::time::{Duration, Instant};
use tollwire_tests::facilitator::Facilitator;
use tollwire_x402::Unit;

/// How long the node is stopped.
const STOPPED: Duration = Duration::from_secs(10);
/// Slow enough that a session lasts until the node is stopped.
const SLOWLY: Duration = Duration::from_millis(50);
/// Quick enough that the rest does not last long.
const QUICKLY: Duration = Duration::from_millis(5);
/// Streams that use up the rest elsewhere.
const STREAMS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stood_still_serves_nothing_that_went_to_somebody_else() {
    together(vec![
        ("a node, its units used elsewhere", tokio::spawn(node_whose_units_are_used_elsewhere())),
        ("a node that goes on", tokio::spawn(node_that_goes_on())),
        ("Redis", tokio::spawn(redis())),
    ])
    .await;
}

/// While the node is stopped, another one serves all that is left of its sessions.
async fn node_whose_units_are_used_elsewhere() {
    let rig = Rig::on_redis().await;
    let other = Facilitator::start_beside(&rig.node, rig.settings.clone()).await;
    let mut accounts = Vec::new();
    for (unit, units) in [(Unit::Message, 600), (Unit::Kib, 300), (Unit::Second, 30)] {
        accounts.push(rig.buy(unit, units).await);
    }
    rig.pace.send_replace(SLOWLY);
    let mut streams: Vec<(Account, Stream)> = Vec::new();
    for account in accounts {
        streams.push((account.clone(), rig.open(&account).await));
    }
    for (_, stream) in &streams {
        stream.reach(20).await;
    }
    rig.node.signal("STOP").await;
    let stopped = Instant::now();
    tokio::time::sleep(LEASE + MARGIN + Duration::from_millis(500)).await;
    rig.pace.send_replace(QUICKLY);
    let mut elsewhere: Vec<Vec<Stream>> = Vec::new();
    for (account, _) in &streams {
        elsewhere.push(use_up(&other, account).await);
    }
    for stream in elsewhere.iter().flatten() {
        let ended = stream.ended_within(Duration::from_secs(25)).await;
        assert_eq!(ended.code, 4008, "{ended:?}");
    }
    tokio::time::sleep(STOPPED.saturating_sub(stopped.elapsed())).await;
    let before: Vec<u64> = streams.iter().map(|(_, stream)| stream.blocks()).collect();
    rig.node.signal("CONT").await;
    for (((account, stream), before), elsewhere) in streams.iter().zip(before).zip(&elsewhere) {
        let ended = stream.ended().await;
        assert_eq!(ended.code, 4008, "{:?}: {ended:?}", account.unit);
        // A block may have been judged when the process was stopped, and not written yet.
        let late = stream.blocks() - before;
        assert!(late <= 1, "{:?}: {late} blocks of a lease that had lapsed", account.unit);
        let books = rig.at_rest(account).await;
        assert_eq!((books.captured, books.remaining), (books.bought, 0), "{:?}", account.unit);
        let all: Vec<&Stream> = elsewhere.iter().chain([stream]).collect();
        let (least, most) = served(account.unit, &all);
        let bound = lease_bound(account.unit);
        assert!(
            least <= books.bought + bound && most + bound >= books.bought,
            "{:?}: {least} to {most} served of {}",
            account.unit,
            books.bought
        );
    }
    rig.balanced().await;
}

/// Opens streams that use a session's units up.
async fn use_up(node: &Facilitator, account: &Account) -> Vec<Stream> {
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        match open_at(node.port(), account).await {
            Ok(stream) => streams.push(stream),
            // The others have used up all there was.
            Err(refused) => assert!(refused.status == 403 && !streams.is_empty(), "{refused:?}"),
        }
    }
    streams
}

/// Units are left: the stream renews its lease and goes on, and the standstill itself costs nothing.
async fn node_that_goes_on() {
    let rig = Rig::on_redis().await;
    let mut streams = rig.streams().await;
    rig.node.signal("STOP").await;
    tokio::time::sleep(STOPPED).await;
    rig.node.signal("CONT").await;
    for (_, stream) in &streams {
        stream.run(20).await;
    }
    for (account, stream) in &mut streams {
        stream.leave().await;
        let books = rig.at_rest(account).await;
        let (least, most) = served(account.unit, &[stream]);
        if account.unit == Unit::Second {
            let moving = (most - STOPPED.as_secs()) + lease_bound(Unit::Second);
            assert!(books.captured <= moving, "{} s charged, {moving} s of service", books.captured);
        } else {
            assert!((least..=most).contains(&books.captured), "{least} to {most} served: {books:?}");
        }
    }
    rig.balanced().await;
}

async fn redis() {
    let mut rig = Rig::on_redis().await;
    let streams = rig.streams().await;
    rig.redis().signal("STOP").await.unwrap();
    for (account, stream) in &streams {
        let ended = stream.ended().await;
        assert_eq!(ended.code, 1013, "{:?}: {ended:?}", account.unit);
    }
    rig.refuses(&streams[0].0).await;
    rig.redis().signal("CONT").await.unwrap();
    rig.ready().await;
    // Commands that nobody waits for any more are carried out now, in whatever order.
    tokio::time::sleep(SLACK).await;
    for (account, stream) in &streams {
        rig.exact(account, &[stream]).await;
        let again = rig.serves_again(account).await;
        rig.exact(account, &[stream, &again]).await;
    }
    rig.buy(streams[0].0.unit, 10_000).await;
    rig.balanced().await;
}
