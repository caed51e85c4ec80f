//! The link between node and upstream: cut between frames, inside a frame, stalled.

use crate::books::within_a_lease;
use crate::rig::{LEASE, Rig};
use crate::stream::kibs;
use crate::together;
use tollwire_testkit::link::{Direction, Faults};
use tollwire_x402::Unit;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_upstream_did_not_send_is_not_paid() {
    together(vec![
        ("cut", tokio::spawn(cut())),
        ("half a frame", tokio::spawn(half_a_frame())),
        ("stalled", tokio::spawn(stalled())),
    ])
    .await;
}

async fn cut() {
    let rig = Rig::embedded().await;
    let streams = rig.streams().await;
    rig.upstream.cut();
    for (account, stream) in &streams {
        let ended = stream.ended().await;
        // 1006 if the cut went through a frame: no Close can stand inside one.
        assert!(matches!(ended.code, 1011 | 1006), "{:?}: {ended:?}", account.unit);
        let books = rig.at_rest(account).await;
        let served = stream.served(account.unit);
        within_a_lease(account.unit, books.captured, (*served.start(), *served.end()), 1);
        if ended.code == 1011 {
            rig.exact(account, &[stream]).await;
        }
        rig.serves_again(account).await;
    }
    rig.balanced().await;
}

async fn half_a_frame() {
    let rig = Rig::embedded().await;
    // Some 331 blocks and a part of the next.
    rig.upstream.set(Faults { drop_after: Some((Direction::FromTarget, 200_300)), ..Faults::default() });
    let streams = rig.streams().await;
    for (account, stream) in &streams {
        let ended = stream.ended().await;
        assert_eq!(ended.code, 1006, "a close frame inside another frame: {ended:?}");
        let books = rig.at_rest(account).await;
        let whole = stream.blocks();
        // A frame is covered whole before its first byte passes, and counts from there.
        match account.unit {
            Unit::Message => assert_eq!(books.captured, whole + 1),
            Unit::Kib => assert_eq!(books.captured, kibs(whole + 1, crate::rig::BLOCK)),
            _ => rig.exact(account, &[stream]).await,
        }
    }
    rig.upstream.set(Faults::default());
    for (account, _) in &streams {
        rig.serves_again(account).await;
    }
    rig.balanced().await;
}

async fn stalled() {
    let rig = Rig::embedded().await;
    let mut streams = rig.streams().await;
    rig.upstream.set(Faults { stuck: true, ..Faults::default() });
    tokio::time::sleep(LEASE).await;
    for (account, stream) in &streams {
        assert!(stream.is_live());
        if account.unit != Unit::Second {
            // A stream that uses nothing keeps nothing from others.
            let books = rig.nothing_held(account).await;
            assert_eq!(books.captured, *stream.served(account.unit).start(), "{:?}", account.unit);
        }
    }
    rig.upstream.set(Faults::default());
    for (account, stream) in &mut streams {
        stream.run(20).await;
        stream.leave().await;
        rig.exact(account, &[stream]).await;
    }
    rig.balanced().await;
}
