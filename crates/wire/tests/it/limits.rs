//! Stall, idle, control-frame and size limits, in virtual time where time matters.

use std::time::Duration;

use tokio::time::Instant;
use tollwire_wire::{End, Limits, Side, Violation};

use crate::common::{BINARY, CONTINUATION, Frame, PING, TEXT, pipes};

#[tokio::test(start_paused = true)]
async fn an_agent_that_takes_nothing_is_4013() {
    let limits = Limits::default();
    let mut rig = pipes(1000, limits);
    let started = Instant::now();
    // More than the pipe holds, ending with its frame.
    rig.upstream.send(&Frame::new(BINARY, vec![1; 996]).unmasked()).await;
    rig.upstream.send(&Frame::new(BINARY, vec![2; 300]).unmasked()).await;
    let close = rig.upstream.frame().await.unwrap();
    assert_eq!(close.close_code(), Some(4013));
    assert_eq!(started.elapsed().as_secs(), limits.stall.as_secs());
    // Late, but before the last words have had their time, the agent reads on.
    assert_eq!(rig.agent.frame().await.unwrap().payload.len(), 996);
    assert_eq!(rig.agent.frame().await.unwrap().payload.len(), 300);
    assert_eq!(rig.agent.frame().await.unwrap().close_code(), Some(4013));
    drop((rig.agent, rig.upstream));
    let report = rig.pump.await.unwrap();
    assert_eq!((report.end, report.agent_got), (End::Stalled(Side::Agent), Some(4013)));
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_never_reads_again_is_cut_off() {
    let limits = Limits::default();
    let mut rig = pipes(1000, limits);
    let started = Instant::now();
    rig.upstream.send(&Frame::new(BINARY, vec![1; 996]).unmasked()).await;
    rig.upstream.send(&Frame::new(BINARY, vec![2; 300]).unmasked()).await;
    let report = rig.pump.await.unwrap();
    assert_eq!(started.elapsed().as_secs(), (limits.stall + limits.close_wait).as_secs());
    assert_eq!((report.end, report.agent_got), (End::Stalled(Side::Agent), None));
}

#[tokio::test(start_paused = true)]
async fn a_slow_agent_that_takes_something_is_not_stalled() {
    let mut rig = pipes(100, Limits::default());
    let frame = Frame::new(BINARY, vec![1; 1000]);
    let bytes = frame.unmasked();
    let sender = tokio::spawn(async move {
        rig.upstream.send(&bytes).await;
        rig.upstream
    });
    let mut seen = Vec::new();
    while seen.len() < 1004 {
        tokio::time::sleep(Duration::from_secs(8)).await;
        seen.extend(rig.agent.exactly(100.min(1004 - seen.len())).await);
    }
    assert_eq!(seen, frame.unmasked());
    assert!(!rig.pump.is_finished());
    drop(sender.await.unwrap());
    assert_eq!(rig.agent.frame().await.unwrap().close_code(), Some(1011));
    rig.pump.abort();
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_takes_nothing_is_4013_to_the_agent() {
    let limits = Limits::default();
    let mut rig = pipes(1000, limits);
    rig.agent.send(&Frame::new(BINARY, vec![1; 992]).masked()).await;
    rig.agent.send(&Frame::new(BINARY, vec![2; 300]).masked()).await;
    let started = Instant::now();
    let close = rig.agent.frame().await.unwrap();
    assert_eq!(close.close_code(), Some(4013));
    assert_eq!(started.elapsed().as_secs(), limits.stall.as_secs());
    drop((rig.agent, rig.upstream));
    assert_eq!(rig.pump.await.unwrap().end, End::Stalled(Side::Upstream));
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_ends_only_if_it_should() {
    // By default a feed may be silent for as long as it likes, and no timer runs.
    let rig = pipes(1000, Limits::default());
    tokio::time::sleep(Duration::from_hours(24)).await;
    assert!(!rig.pump.is_finished());
    rig.pump.abort();

    let mut limits = Limits::default();
    limits.idle = Some(Duration::from_mins(1));
    let mut rig = pipes(1000, limits);
    let ping = Frame::new(PING, "");
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(50)).await;
        rig.agent.send(&ping.masked()).await;
        assert_eq!(rig.upstream.frame().await.unwrap(), ping);
    }
    let started = Instant::now();
    assert_eq!(rig.agent.frame().await.unwrap().close_code(), Some(1001));
    let silence = started.elapsed().as_secs();
    assert!((60..=75).contains(&silence), "{silence} s");
    assert_eq!(rig.upstream.frame().await.unwrap().close_code(), Some(1000));
    drop((rig.agent, rig.upstream));
    assert_eq!(rig.pump.await.unwrap().end, End::Idle);
}

#[tokio::test(start_paused = true)]
async fn a_control_frame_flood_ends_the_stream() {
    let mut limits = Limits::default();
    limits.control_frames_per_sec = 10;
    let mut rig = pipes(10_000, limits);
    for _ in 0..20 {
        for _ in 0..10 {
            rig.agent.send(&Frame::new(PING, "").masked()).await;
            assert_eq!(rig.upstream.frame().await.unwrap().opcode, PING);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let flood: Vec<u8> = (0..11).flat_map(|_| Frame::new(PING, "").masked()).collect();
    rig.agent.send(&flood).await;
    while rig.upstream.frame().await.unwrap().close_code() != Some(1000) {}
    rig.upstream.send(&Frame::close(1000, "").unmasked()).await;
    assert_eq!(rig.agent.frame().await.unwrap().close_code(), Some(1008));
    drop((rig.agent, rig.upstream));
    assert_eq!(rig.pump.await.unwrap().end, End::Flooded(Side::Agent));
}

#[tokio::test(start_paused = true)]
async fn an_upstreams_flood_of_empty_fragments_ends_the_stream() {
    let mut limits = Limits::default();
    limits.control_frames_per_sec = 10;
    let mut rig = pipes(10_000, limits);
    rig.upstream.send(&Frame::part(TEXT, "").unmasked()).await;
    let flood: Vec<u8> = (0..11).flat_map(|_| Frame::part(CONTINUATION, "").unmasked()).collect();
    rig.upstream.send(&flood).await;
    assert_eq!(rig.upstream.frame().await.unwrap().close_code(), Some(1008));
    while rig.agent.frame().await.unwrap().close_code() != Some(1011) {}
    drop((rig.agent, rig.upstream));
    assert_eq!(rig.pump.await.unwrap().end, End::Flooded(Side::Upstream));
}

#[tokio::test(start_paused = true)]
async fn an_oversize_message_is_1009_to_both() {
    let mut limits = Limits::default();
    limits.message_bytes_max = 100;
    let mut rig = pipes(10_000, limits);
    rig.upstream.send(&Frame::part(TEXT, [b'a'; 60]).unmasked()).await;
    rig.upstream.send(&Frame::new(CONTINUATION, [b'a'; 41]).unmasked()).await;
    assert_eq!(rig.agent.frame().await.unwrap().payload.len(), 60);
    assert_eq!(rig.agent.frame().await.unwrap().close_code(), Some(1009));
    assert_eq!(rig.upstream.frame().await.unwrap().close_code(), Some(1009));
    drop((rig.agent, rig.upstream));
    let end = rig.pump.await.unwrap().end;
    assert_eq!(end, End::Violated(Side::Upstream, Violation::MessageTooBig));

    let mut rig = pipes(10_000, limits);
    rig.agent.send(&Frame::new(TEXT, [b'a'; 101]).masked()).await;
    assert_eq!(rig.upstream.frame().await.unwrap().close_code(), Some(1000));
    drop(rig.upstream);
    assert_eq!(rig.agent.frame().await.unwrap().close_code(), Some(1009));
    drop(rig.agent);
    let end = rig.pump.await.unwrap().end;
    assert_eq!(end, End::Violated(Side::Agent, Violation::MessageTooBig));
}
