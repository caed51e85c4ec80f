//! The link between node and Redis: cut, stalled, slow, away for a moment.

use crate::rig::{LEASE, MARGIN, Rig};
use crate::{SLACK, together};
use std::time::{Duration, Instant};
use tollwire_testkit::link::{FaultLink, Faults};

/// Slow enough that what was granted would last longer than its lease.
const SLOWLY: Duration = Duration::from_millis(100);

fn cut(link: &FaultLink) {
    link.set(Faults { refuse: true, ..Faults::default() });
    link.cut();
}

fn stall(link: &FaultLink) {
    link.set(Faults { stuck: true, ..Faults::default() });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_cannot_be_renewed_ends_its_stream_and_the_books_stay_exact() {
    together(vec![
        ("cut", tokio::spawn(out_of_reach(cut))),
        ("stalled", tokio::spawn(out_of_reach(stall))),
        ("slow", tokio::spawn(slow())),
        ("away for a moment", tokio::spawn(away_for_a_moment())),
    ])
    .await;
}

async fn out_of_reach(fail: fn(&FaultLink)) {
    let rig = Rig::on_redis().await;
    let streams = rig.streams().await;
    fail(&rig.store);
    rig.pace.send_replace(SLOWLY);
    let broken = Instant::now();
    let refused = rig.refuses(&streams[0].0);
    let ends = async {
        for (account, stream) in &streams {
            let ended = stream.ended().await;
            assert_eq!(ended.code, 1013, "{:?}: {ended:?}", account.unit);
            let last = stream.heard().last.unwrap();
            let over = last.saturating_duration_since(broken);
            assert!(over < LEASE + MARGIN, "{:?} was served {over:?} after the last renewal", account.unit);
        }
    };
    tokio::join!(refused, ends);

    rig.store.set(Faults::default());
    rig.pace.send_replace(crate::rig::EVERY);
    rig.ready().await;
    for (account, stream) in &streams {
        // It lives, so it tells what it served without a store.
        rig.exact(account, &[stream]).await;
        let again = rig.serves_again(account).await;
        rig.exact(account, &[stream, &again]).await;
        rig.buy(account.unit, 10_000).await;
    }
    rig.balanced().await;
}

async fn slow() {
    let rig = Rig::on_redis().await;
    let mut streams = rig.streams().await;
    rig.store.set(Faults { delay: Duration::from_millis(200), ..Faults::default() });
    tokio::time::sleep(LEASE + LEASE).await;
    for (account, stream) in &mut streams {
        stream.run(10).await;
        stream.leave().await;
        rig.exact(account, &[stream]).await;
    }
    rig.buy(streams[0].0.unit, 10_000).await;
}

async fn away_for_a_moment() {
    let rig = Rig::on_redis().await;
    let mut streams = rig.streams().await;
    for fail in [cut, stall] {
        fail(&rig.store);
        tokio::time::sleep(Duration::from_secs(1)).await;
        rig.store.set(Faults::default());
        tokio::time::sleep(LEASE).await;
    }
    for (account, stream) in &mut streams {
        stream.run(10).await;
        stream.leave().await;
        rig.exact(account, &[stream]).await;
    }
    // Whatever was still on its way is there by now, and changed nothing.
    tokio::time::sleep(SLACK).await;
    rig.balanced().await;
}
