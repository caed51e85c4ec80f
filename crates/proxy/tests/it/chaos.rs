//! Everything at once: bad upstreams, agents that leave in the middle, re-opens, one balance.

use crate::agent::{handshake, open};
use crate::node::{Node, config, route};
use futures_util::{StreamExt, future};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tollwire_testkit::feed::{Mode, SampleFeed};
use tollwire_x402::SessionId;

const UNITS: u64 = 40;

/// One agent's visit; true if it was served a frame.
async fn visit(node: &Node, session: &SessionId, n: u64) -> bool {
    let id = if n.is_multiple_of(3) { format!("&stream=shared-stream-{:04}", n / 9) } else { String::new() };
    if n.is_multiple_of(4) {
        // Gone after a moment, whatever has come of it by then.
        let mut tcp = TcpStream::connect(node.address).await.unwrap();
        tcp.write_all(handshake(session, &id, "").as_bytes()).await.unwrap();
        sleep(Duration::from_millis(n % 7)).await;
        if n.is_multiple_of(8) {
            tcp.set_zero_linger().unwrap();
        }
        return false;
    }
    let Ok((mut socket, _)) = open(node, session, &id).await else { return false };
    matches!(timeout(Duration::from_secs(1), socket.next()).await, Ok(Some(Ok(message))) if message.is_text())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_every_stream_settles() {
    let feed = SampleFeed::start(Mode::Silent).await.unwrap();
    let mut config = config();
    config.failed_dials_max = u32::MAX;
    config.meter.held_wait = Duration::from_millis(100);
    config.upstream_dial = Duration::from_millis(300);
    let node = Node::on_new_ledger(route(&feed.url("/")), config).await;
    let session = node.fund(UNITS).await;
    let modes = [
        Mode::Ticks(Duration::from_millis(1)),
        Mode::HangUp,
        Mode::DropAtOnce,
        Mode::RefuseUpgrade(500),
        Mode::NeverAnswer,
        Mode::CloseAtOnce(1000),
        Mode::WrongAcceptKey,
    ];
    let mut served = 0;
    for (wave, mode) in (0_u64..).zip(modes.iter().cycle().take(14)) {
        feed.set_mode(mode.clone());
        let visits = (0..12).map(|n| visit(&node, &session, wave * 12 + n));
        served += future::join_all(visits).await.into_iter().filter(|served| *served).count();
    }
    let quiet = |row: &tollwire_ledger::model::Session| row.holds.is_empty() && row.live.is_empty();
    let row = node.wait_for(&session, "every stream to settle", quiet).await;
    assert_eq!(row.captured + row.remaining(), UNITS, "{row:?}");
    assert!(served > 0 && row.captured > 0 && row.captured < UNITS, "{served} served: {row:?}");
    // Two of the fourteen waves can be served at all, twelve visits each.
    assert!(row.captured <= 24, "nothing is charged for upstreams that do not serve: {row:?}");
    node.proxy.drain(Duration::from_secs(5)).await;
    assert_eq!(node.proxy.live().total, 0);
}
