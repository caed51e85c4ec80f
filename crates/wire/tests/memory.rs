//! A slow reader costs its sender time, and us no memory. Alone in its process, because it measures it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "the helpers are made for more than this test")]

#[path = "it/common.rs"]
mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tollwire_wire::{End, Limits, Side};

use common::{BINARY, Frame, sockets};

/// What one stuck stream may hold in this process, in bytes: what one read takes at most, each way, and change.
const BOUND: u64 = 2 * 256 * 1024 + 16 * 1024;
const STREAMS: u64 = 50;

#[tokio::test]
async fn slow_readers_hold_a_bounded_memory_and_are_cut_off() {
    let mut limits = Limits::default();
    limits.stall = Duration::from_secs(3);
    limits.close_wait = Duration::from_secs(1);
    let frame = Frame::new(BINARY, vec![9; 1 << 20]).unmasked();
    let mut agents = Vec::new();
    let mut pumps = Vec::new();
    let written = Arc::new(AtomicU64::new(0));
    let before = resident();
    for _ in 0..STREAMS {
        let mut rig = sockets(limits).await;
        agents.push(rig.agent);
        pumps.push(rig.pump);
        let frame = frame.clone();
        let written = written.clone();
        tokio::spawn(async move {
            while rig.upstream.socket.write_all(&frame).await.is_ok() {
                written.fetch_add(1 << 20, Ordering::Relaxed);
            }
        });
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    // The writers' own copies of the frame are part of what is resident.
    let held = resident().saturating_sub(before + STREAMS * (1 << 20));
    assert!(held <= STREAMS * BOUND, "{} bytes per stuck stream", held / STREAMS);
    // Some of it stands in the kernel's buffers, twice.
    let taken = written.load(Ordering::Relaxed) / STREAMS;
    assert!(taken < 32 << 20, "{taken} bytes taken from an upstream whose agent takes none");
    for pump in pumps {
        let report = pump.await.unwrap();
        assert_eq!(report.end, End::Stalled(Side::Agent));
        assert_eq!(report.agent_got, None);
    }
}

/// This process's resident memory, in bytes.
fn resident() -> u64 {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = rollup.lines().find(|line| line.starts_with("Rss:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}
