//! What counts, what it costs, and where a stream stops that is not paid any further.

use std::time::Duration;

use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, timeout};
use tollwire_wire::{Allowance, Counted, Limits, Measure};

use crate::common::{BINARY, CONTINUATION, Frame, PING, Rig, TEXT, noise, pipes_with, wide};

pub(crate) fn metered(capacity: usize, measure: Measure, counted: Counted) -> (Rig<DuplexStream>, Allowance) {
    let allowance = Allowance::new(measure, counted);
    let rig = pipes_with(capacity, Limits::default(), |pump| pump.metered(allowance.clone()));
    (rig, allowance)
}

/// A lease that does not end within a test.
pub(crate) fn long() -> Instant {
    Instant::now() + Duration::from_hours(1)
}

async fn is_short(allowance: &Allowance) -> bool {
    timeout(Duration::from_millis(1), allowance.short()).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn messages_of_the_upstream_are_counted_and_the_agents_are_free() {
    let (mut rig, allowance) = metered(4096, Measure::Message, Counted::Down);
    allowance.grant(2, long());
    let ticks = ["a", "b", "c", "d"].map(|tick| Frame::new(TEXT, tick));
    for tick in &ticks {
        rig.upstream.send(&tick.unmasked()).await;
    }
    assert_eq!(rig.agent.frame().await.as_ref(), Some(&ticks[0]));
    assert_eq!(rig.agent.frame().await.as_ref(), Some(&ticks[1]));
    rig.agent.hears_nothing().await;
    assert_eq!((allowance.used(), allowance.needed()), (2, Some(3)));
    for _ in 0..3 {
        rig.agent.send(&ticks[0].masked()).await;
        assert_eq!(rig.upstream.frame().await.as_ref(), Some(&ticks[0]));
    }
    allowance.short().await;
    allowance.grant(3, long());
    assert_eq!(rig.agent.frame().await.as_ref(), Some(&ticks[2]));
    rig.agent.hears_nothing().await;
    allowance.grant(10, long());
    assert_eq!(rig.agent.frame().await.as_ref(), Some(&ticks[3]));
    assert_eq!((allowance.used(), allowance.needed()), (4, None));
    assert!(!is_short(&allowance).await);
}

#[tokio::test(start_paused = true)]
async fn messages_of_the_agent_are_counted_and_the_upstreams_are_free() {
    let (mut rig, allowance) = metered(4096, Measure::Message, Counted::Up);
    let tick = Frame::new(BINARY, "tick");
    rig.agent.send(&tick.masked()).await;
    rig.upstream.send(&tick.unmasked()).await;
    assert_eq!(rig.agent.frame().await.as_ref(), Some(&tick));
    rig.upstream.hears_nothing().await;
    assert_eq!((allowance.used(), allowance.needed()), (0, Some(1)));
    allowance.grant(1, long());
    assert_eq!(rig.upstream.frame().await, Some(tick));
    assert_eq!(allowance.used(), 1);
}

#[tokio::test(start_paused = true)]
async fn both_directions_draw_on_one_count_and_the_cheaper_is_needed() {
    let (mut rig, allowance) = metered(1 << 20, Measure::Message, Counted::Both);
    allowance.grant(2, long());
    let tick = Frame::new(BINARY, "tick");
    rig.agent.send(&tick.masked()).await;
    rig.upstream.send(&tick.unmasked()).await;
    assert_eq!(rig.agent.frame().await.as_ref(), Some(&tick));
    assert_eq!(rig.upstream.frame().await.as_ref(), Some(&tick));
    let large = Frame::new(BINARY, noise(200_000));
    rig.upstream.send(&large.unmasked()).await;
    rig.agent.hears_nothing().await;
    assert_eq!(allowance.needed(), Some(6));
    rig.agent.send(&tick.masked()).await;
    rig.upstream.hears_nothing().await;
    assert_eq!(allowance.needed(), Some(3));
    allowance.grant(3, long());
    assert_eq!(rig.upstream.frame().await.as_ref(), Some(&tick));
    rig.agent.hears_nothing().await;
    assert_eq!((allowance.used(), allowance.needed()), (3, Some(7)), "what was used meanwhile is added");
    allowance.grant(7, long());
    assert_eq!(rig.agent.frame().await, Some(large));
    assert_eq!(allowance.used(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_large_message_is_paid_for_in_whole_frames() {
    let (mut rig, allowance) = metered(1 << 20, Measure::Message, Counted::Down);
    let three = Frame::new(BINARY, noise(2 * 65_536 + 1));
    rig.upstream.send(&three.unmasked()).await;
    for granted in 0..3 {
        allowance.grant(granted, long());
        rig.agent.hears_nothing().await;
        assert_eq!((allowance.used(), allowance.needed()), (0, Some(3)));
    }
    allowance.grant(3, long());
    assert_eq!(rig.agent.frame().await, Some(three));
    // In fragments: one unit, none, one more, none.
    let parts = [
        Frame::part(BINARY, noise(65_535)),
        Frame::part(CONTINUATION, "x"),
        Frame::part(CONTINUATION, "y"),
        Frame::new(CONTINUATION, noise(65_535)),
    ];
    for part in &parts {
        rig.upstream.send(&part.unmasked()).await;
    }
    allowance.grant(4, long());
    assert_eq!(rig.agent.frame().await.as_ref(), Some(&parts[0]));
    assert_eq!(rig.agent.frame().await.as_ref(), Some(&parts[1]));
    rig.agent.hears_nothing().await;
    assert_eq!((allowance.used(), allowance.needed()), (4, Some(5)));
    allowance.grant(5, long());
    assert_eq!(rig.agent.frame().await.as_ref(), Some(&parts[2]));
    assert_eq!(rig.agent.frame().await.as_ref(), Some(&parts[3]));
    assert_eq!(allowance.used(), 5);
}

#[tokio::test(start_paused = true)]
async fn kib_are_wire_bytes_of_data_frames_rounded_up_over_the_stream() {
    for (counted, header) in [(Counted::Down, 4), (Counted::Up, 8)] {
        let (rig, allowance) = metered(4096, Measure::Kib, counted);
        let (mut from, mut to) = (rig.upstream, rig.agent);
        let mut encode: fn(&Frame) -> Vec<u8> = Frame::unmasked;
        if counted == Counted::Up {
            (from, to) = (to, from);
            encode = Frame::masked;
        }
        let whole = Frame::new(BINARY, noise(1024 - header));
        let empty = Frame::new(TEXT, "");
        let ping = Frame::new(PING, noise(100));
        from.send(&[encode(&ping), encode(&whole), encode(&empty), encode(&whole)].concat()).await;
        assert_eq!(to.frame().await, Some(ping), "a control frame is free");
        to.hears_nothing().await;
        assert_eq!((allowance.used(), allowance.needed()), (0, Some(1)));
        allowance.grant(1, long());
        assert_eq!(to.frame().await.as_ref(), Some(&whole));
        to.hears_nothing().await;
        assert_eq!((allowance.used(), allowance.needed()), (1, Some(2)), "{counted:?}");
        allowance.grant(2, long());
        assert_eq!(to.frame().await, Some(empty));
        to.hears_nothing().await;
        assert_eq!((allowance.used(), allowance.needed()), (2, Some(3)));
        allowance.grant(100, long());
        assert_eq!(to.frame().await, Some(whole));
        assert_eq!(allowance.used(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn control_frames_pass_for_nothing_but_not_around_data() {
    let (mut rig, allowance) = metered(4096, Measure::Message, Counted::Both);
    let (ping, other) = (Frame::new(PING, "1"), Frame::new(PING, "2"));
    rig.upstream.send(&ping.unmasked()).await;
    rig.agent.send(&other.masked()).await;
    assert_eq!(rig.agent.frame().await.as_ref(), Some(&ping));
    assert_eq!(rig.upstream.frame().await.as_ref(), Some(&other));
    assert_eq!((allowance.used(), allowance.needed()), (0, None));
    rig.upstream.send(&Frame::new(TEXT, "data").unmasked()).await;
    rig.upstream.send(&ping.unmasked()).await;
    rig.upstream.send(&Frame::close(1000, "").unmasked()).await;
    rig.agent.hears_nothing().await;
    rig.agent.send(&other.masked()).await;
    assert_eq!(rig.upstream.frame().await, Some(other), "the other side does not wait");
    allowance.grant(1, long());
    assert_eq!(rig.agent.frame().await, Some(Frame::new(TEXT, "data")));
    assert_eq!(rig.agent.frame().await, Some(ping));
    assert_eq!(rig.agent.frame().await, Some(Frame::close(1000, "")));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_lease_stops_what_counts() {
    let (mut rig, allowance) = metered(4096, Measure::Message, Counted::Down);
    allowance.grant(100, Instant::now() + Duration::from_secs(5));
    let tick = Frame::new(TEXT, "tick");
    rig.upstream.send(&tick.unmasked()).await;
    assert_eq!(rig.agent.frame().await.as_ref(), Some(&tick));
    let torn = Frame::new(TEXT, "0123456789");
    rig.upstream.send(&torn.unmasked()[..4]).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!is_short(&allowance).await, "nothing waits");
    rig.upstream.send(&torn.unmasked()[4..]).await;
    assert_eq!(rig.agent.frame().await, Some(torn), "it was paid for when it began");
    rig.upstream.send(&tick.unmasked()).await;
    rig.agent.hears_nothing().await;
    allowance.short().await;
    assert_eq!((allowance.used(), allowance.needed()), (2, Some(3)));
    allowance.grant(100, long());
    assert_eq!(rig.agent.frame().await, Some(tick));
    assert!(!is_short(&allowance).await);
}

#[tokio::test(start_paused = true)]
async fn without_time_nothing_moves() {
    let (mut rig, allowance) = metered(4096, Measure::Time, Counted::Down);
    let (tick, ping) = (Frame::new(TEXT, "0123456789"), Frame::new(PING, ""));
    let lease = Duration::from_secs(5);
    allowance.grant(0, Instant::now() + lease);
    for _ in 0..100 {
        rig.upstream.send(&tick.unmasked()).await;
        assert_eq!(rig.agent.frame().await.as_ref(), Some(&tick));
        rig.agent.send(&tick.masked()).await;
        assert_eq!(rig.upstream.frame().await.as_ref(), Some(&tick));
    }
    rig.upstream.send(&tick.unmasked()[..4]).await;
    assert_eq!(rig.agent.exactly(4).await, tick.unmasked()[..4]);
    tokio::time::sleep(lease).await;
    assert!(!is_short(&allowance).await, "nothing waits");
    rig.upstream.send(&tick.unmasked()[4..]).await;
    rig.agent.send(&ping.masked()).await;
    rig.agent.hears_nothing().await;
    rig.upstream.hears_nothing().await;
    allowance.short().await;
    assert_eq!((allowance.used(), allowance.needed()), (0, None));
    allowance.grant(0, long());
    assert_eq!(rig.agent.exactly(8).await, tick.unmasked()[4..]);
    assert_eq!(rig.upstream.frame().await, Some(ping));
    assert!(!is_short(&allowance).await);
}

#[tokio::test(start_paused = true)]
async fn the_payer_hears_that_all_is_used_before_anything_waits() {
    let (mut rig, allowance) = metered(4096, Measure::Message, Counted::Down);
    assert!(!is_short(&allowance).await, "nothing is granted and nothing waits");
    allowance.grant(2, long());
    let payer = tokio::spawn({
        let allowance = allowance.clone();
        async move { allowance.short().await }
    });
    rig.upstream.send(&Frame::new(TEXT, "a").unmasked()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!payer.is_finished());
    rig.upstream.send(&Frame::new(TEXT, "b").unmasked()).await;
    payer.await.unwrap();
    assert_eq!((allowance.used(), allowance.needed()), (2, None));
    assert!(rig.agent.frame().await.is_some() && rig.agent.frame().await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_grant_can_be_taken_back_as_far_as_it_is_not_used() {
    let (mut rig, allowance) = metered(4096, Measure::Message, Counted::Down);
    allowance.grant(100, long());
    let tick = Frame::new(TEXT, "tick");
    rig.upstream.send(&tick.unmasked()).await;
    assert_eq!(rig.agent.frame().await.as_ref(), Some(&tick));
    allowance.grant(0, long());
    assert_eq!(allowance.used(), 1);
    rig.upstream.send(&tick.unmasked()).await;
    rig.agent.hears_nothing().await;
    assert_eq!((allowance.used(), allowance.needed()), (1, Some(2)));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_not_paid_for_is_not_read() {
    const READ_BYTES_MAX: usize = 256 * 1024;
    const PIPE: usize = 1 << 20;
    let (mut rig, allowance) = metered(PIPE, Measure::Message, Counted::Down);
    allowance.grant(1, long());
    let flood: Vec<u8> = (0..16).flat_map(|_| Frame::new(BINARY, noise(1 << 20)).unmasked()).collect();
    let mut taken = 0;
    while let Ok(written) = timeout(Duration::from_secs(1), rig.upstream.socket.write(&flood[taken..])).await
    {
        taken += written.unwrap();
    }
    assert!(taken <= READ_BYTES_MAX + PIPE, "{taken} bytes read, of which none may pass");
    allowance.grant(16 * 16, long());
    let rest = flood[taken..].to_vec();
    let sender = tokio::spawn(async move {
        rig.upstream.send(&rest).await;
        rig.upstream
    });
    assert!(rig.agent.exactly(flood.len()).await == flood, "no byte is lost in a wait");
    assert_eq!(allowance.used(), wide(16 * 16));
    drop(sender.await.unwrap());
}
