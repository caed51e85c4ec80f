//! Redis that is killed and comes back: soon, late, or with an empty disk.

use crate::rig::{LEASE, Rig};
use crate::{SLACK, together};
use std::time::{Duration, Instant};
use tollwire_tests::http::get;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_kept_its_disk_goes_on_and_an_empty_one_gives_and_takes_nothing() {
    together(vec![
        ("back soon", tokio::spawn(back_soon())),
        ("back late", tokio::spawn(back_late())),
        ("empty", tokio::spawn(empty())),
    ])
    .await;
}

async fn back_soon() {
    let mut rig = Rig::on_redis().await;
    let mut streams = rig.streams().await;
    rig.redis().restart().await.unwrap();
    tokio::time::sleep(LEASE + Duration::from_secs(1)).await;
    for (account, stream) in &mut streams {
        stream.run(10).await;
        stream.leave().await;
        rig.exact(account, &[stream]).await;
        rig.serves_again(account).await;
    }
    rig.buy(streams[0].0.unit, 10_000).await;
    rig.balanced().await;
}

async fn back_late() {
    let mut rig = Rig::on_redis().await;
    let streams = rig.streams().await;
    rig.redis().kill9().await.unwrap();
    for (account, stream) in &streams {
        let ended = stream.ended().await;
        assert_eq!(ended.code, 1013, "{:?}: {ended:?}", account.unit);
    }
    rig.redis().restart().await.unwrap();
    rig.ready().await;
    for (account, stream) in &streams {
        rig.exact(account, &[stream]).await;
        let again = rig.serves_again(account).await;
        rig.exact(account, &[stream, &again]).await;
    }
    rig.buy(streams[0].0.unit, 10_000).await;
    rig.balanced().await;
}

async fn empty() {
    let mut rig = Rig::on_redis().await;
    let streams = rig.streams().await;
    rig.redis().restart_empty().await.unwrap();
    let emptied = Instant::now();
    for (account, stream) in &streams {
        let ended = stream.ended().await;
        assert_eq!(ended.code, 1011, "{:?}: {ended:?}", account.unit);
        let last = stream.heard().last.unwrap().saturating_duration_since(emptied);
        assert!(last < LEASE + SLACK, "{:?} was served for {last:?}", account.unit);
        rig.refuses(account).await;
    }
    let readyz = get(&rig.node.admin_url("/readyz"), &[]).await;
    assert_eq!(readyz.status, 503, "{readyz:?}");
    let keys = rig.redis().command(&["DBSIZE"]).await.unwrap();
    assert_eq!(keys, "0", "something was written to another store");
}
