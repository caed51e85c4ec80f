//! Wall clocks that are stepped by an hour under a node. With the embedded ledger that is the store's clock too.

use crate::rig::{BLOCK, LEASE, Rig};
use crate::together;
use std::time::Duration;
use tollwire_testkit::clock::WallClock;
use tollwire_testkit::redis::RedisServer;

const HOUR: i64 = 3_600;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_run_on_monotonic_time() {
    let embedded = async {
        let clock = WallClock::right().unwrap();
        let rig = Rig::start(None, BLOCK, |settings| settings.env = clock.environment()).await;
        stepped(rig, clock).await;
    };
    let node_on_redis = async {
        let clock = WallClock::right().unwrap();
        let redis = RedisServer::start().await.unwrap();
        let rig = Rig::start(Some(redis), BLOCK, |settings| settings.env = clock.environment()).await;
        stepped(rig, clock).await;
    };
    together(vec![
        ("a node with its own file", tokio::spawn(embedded)),
        ("a node on Redis", tokio::spawn(node_on_redis)),
    ])
    .await;
}

/// Forward and back during a lease: no stream ends early, none runs free.
async fn stepped(rig: Rig, clock: WallClock) {
    let mut streams = rig.streams().await;
    for step in [HOUR, -HOUR, 0] {
        clock.step_to(step).unwrap();
        tokio::time::sleep(LEASE + Duration::from_millis(500)).await;
        for (account, stream) in &streams {
            assert!(stream.is_live(), "{:?} after a step to {step} s: {:?}", account.unit, stream.heard());
        }
    }
    for (account, stream) in &mut streams {
        stream.run(10).await;
        stream.leave().await;
        rig.exact(account, &[stream]).await;
        let again = rig.serves_again(account).await;
        rig.exact(account, &[stream, &again]).await;
    }
    rig.balanced().await;
}
