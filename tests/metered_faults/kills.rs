//! kill -9 of the node in the middle of streams of every unit.

use crate::books::within_a_lease;
use crate::rig::Rig;
use crate::stream::Stream;
use crate::together;
use tollwire_x402::Unit;

/// Kills of each store's node.
const KILLS: u64 = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_node_strands_nothing_and_gives_or_takes_one_lease_at_most() {
    let embedded = async { killed(Rig::embedded().await).await };
    let on_redis = async { killed(Rig::on_redis().await).await };
    together(vec![("embedded", tokio::spawn(embedded)), ("on Redis", tokio::spawn(on_redis))]).await;
}

async fn killed(mut rig: Rig) {
    let mut accounts = Vec::new();
    for (account, stream) in rig.streams().await {
        accounts.push((account, vec![stream]));
    }
    for kill in 1..=KILLS {
        rig.node.kill().await;
        for (_, streams) in &accounts {
            let ended = streams.last().unwrap().ended().await;
            assert_eq!(ended.code, 1006, "{ended:?}");
        }
        rig.node.restart().await;
        for (account, streams) in &mut accounts {
            let books = rig.nothing_held(account).await;
            let total = crate::books::served(account.unit, &streams.iter().collect::<Vec<&Stream>>());
            within_a_lease(account.unit, books.captured, total, kill);
            eprintln!("{:?}: {} captured, {total:?} served after {kill} kills", account.unit, books.captured);
            let next = rig.open(account).await;
            next.run(if account.unit == Unit::Second { 150 } else { 60 }).await;
            streams.push(next);
        }
    }
    for (account, streams) in &mut accounts {
        streams.last_mut().unwrap().leave().await;
        let books = rig.nothing_held(account).await;
        let total = crate::books::served(account.unit, &streams.iter().collect::<Vec<&Stream>>());
        within_a_lease(account.unit, books.captured, total, KILLS);
    }
    rig.balanced().await;
}
