//! When the close comes that ends a stream whose units ran out.

use std::time::Duration;

use tokio::time::Instant;
use tollwire_wire::{Counted, End, Limits, Measure};
use tollwire_x402::close::CloseCode;

use crate::common::{CONTINUATION, Frame, TEXT, noise};
use crate::metering::{long, metered};

#[tokio::test(start_paused = true)]
async fn between_messages_the_close_comes_at_once() {
    let (mut rig, allowance) = metered(4096, Measure::Message, Counted::Down);
    allowance.grant(1, long());
    rig.upstream.send(&Frame::new(TEXT, "paid").unmasked()).await;
    rig.upstream.send(&Frame::new(TEXT, "not paid").unmasked()).await;
    assert_eq!(rig.agent.frame().await, Some(Frame::new(TEXT, "paid")));
    allowance.short().await;
    let started = Instant::now();
    rig.control.close(CloseCode::Exhausted);
    assert_eq!(rig.agent.frame().await.unwrap().close_code(), Some(4008));
    assert_eq!(rig.upstream.frame().await.unwrap().close_code(), Some(1000));
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(allowance.needed(), None, "nothing waits any more");
    rig.agent.send(&Frame::close(4008, "").masked()).await;
    rig.upstream.send(&Frame::close(1000, "").unmasked()).await;
    let report = rig.pump.await.unwrap();
    assert_eq!((report.end, report.agent_got), (End::Requested, Some(4008)));
    assert_eq!((report.from_upstream.messages, allowance.used()), (1, 1));
    assert_eq!(
        (report.from_agent.close_code, report.from_upstream.close_code),
        (Some(4008), Some(1000)),
        "what waited is read through to the Close"
    );
}

#[tokio::test(start_paused = true)]
async fn between_frames_that_are_not_paid_for_the_close_comes_at_once() {
    for wait in [Duration::ZERO, Duration::from_millis(10)] {
        let (mut rig, allowance) = metered(1 << 20, Measure::Message, Counted::Down);
        allowance.grant(1, long());
        let first = Frame::part(TEXT, vec![b'x'; 65_536]);
        rig.upstream.send(&first.unmasked()).await;
        assert_eq!(rig.agent.frame().await, Some(first));
        // The close is asked for before the next frame comes, or after.
        let started = Instant::now();
        if wait.is_zero() {
            rig.control.close(CloseCode::Exhausted);
        }
        rig.upstream.send(&Frame::new(CONTINUATION, "not paid").unmasked()).await;
        tokio::time::sleep(wait).await;
        rig.control.close(CloseCode::Exhausted);
        assert_eq!(rig.agent.frame().await.unwrap().close_code(), Some(4008));
        assert!(started.elapsed() <= wait + Duration::from_millis(1), "{:?}", started.elapsed());
        assert_eq!(allowance.used(), 1);
        rig.pump.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_in_flight_is_finished_before_the_close() {
    for measure in [Measure::Message, Measure::Kib, Measure::Time] {
        let (mut rig, allowance) = metered(4096, measure, Counted::Down);
        let lease = Duration::from_secs(5);
        allowance.grant(1, Instant::now() + lease);
        let frame = Frame::new(TEXT, vec![b'x'; 100]);
        rig.upstream.send(&frame.unmasked()[..50]).await;
        assert_eq!(rig.agent.exactly(50).await, frame.unmasked()[..50]);
        tokio::time::sleep(lease).await;
        rig.control.close(CloseCode::Exhausted);
        rig.agent.hears_nothing_for(Duration::from_millis(500)).await;
        rig.upstream.send(&frame.unmasked()[50..]).await;
        rig.upstream.send(&frame.unmasked()).await;
        assert_eq!(rig.agent.exactly(52).await, frame.unmasked()[50..]);
        assert_eq!(rig.agent.frame().await.unwrap().close_code(), Some(4008), "{measure:?}");
        rig.pump.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_in_flight_that_is_paid_for_is_finished_before_the_close() {
    let (mut rig, allowance) = metered(4096, Measure::Message, Counted::Down);
    allowance.grant(1, long());
    rig.upstream.send(&Frame::part(TEXT, "first ").unmasked()).await;
    assert!(rig.agent.frame().await.is_some());
    rig.control.close(CloseCode::Exhausted);
    rig.agent.hears_nothing_for(Duration::from_millis(500)).await;
    rig.upstream.send(&Frame::new(CONTINUATION, "second").unmasked()).await;
    assert_eq!(rig.agent.frame().await, Some(Frame::new(CONTINUATION, "second")));
    assert_eq!(rig.agent.frame().await.unwrap().close_code(), Some(4008));
    rig.pump.abort();
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_never_ends_gets_no_time_beyond_the_lease() {
    let (mut rig, allowance) = metered(1 << 20, Measure::Time, Counted::Down);
    let frame = Frame::new(TEXT, noise(100_000)).unmasked();
    allowance.grant(0, Instant::now() + Duration::from_secs(5));
    rig.upstream.send(&frame[..100]).await;
    assert_eq!(rig.agent.exactly(100).await, frame[..100]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    rig.upstream.send(&frame[100..200]).await;
    rig.agent.hears_nothing().await;
    allowance.short().await;
    let limits = Limits::default();
    let started = Instant::now();
    rig.control.close(CloseCode::Exhausted);
    assert_eq!(rig.agent.rest().await, frame[100..200]);
    assert!(started.elapsed() <= limits.close_grace + limits.close_wait + Duration::from_millis(10));
    assert_eq!(rig.pump.await.unwrap().agent_got, None);
}

#[tokio::test(start_paused = true)]
async fn the_agents_frame_that_waits_does_not_delay_the_close() {
    let (mut rig, allowance) = metered(4096, Measure::Message, Counted::Up);
    rig.agent.send(&Frame::new(TEXT, "not paid").masked()).await;
    allowance.short().await;
    let started = Instant::now();
    rig.control.close(CloseCode::Exhausted);
    assert_eq!(rig.agent.frame().await.unwrap().close_code(), Some(4008));
    assert_eq!(rig.upstream.frame().await.unwrap().close_code(), Some(1000));
    assert_eq!((started.elapsed(), allowance.needed()), (Duration::ZERO, None));
    rig.agent.send(&Frame::close(4008, "").masked()).await;
    rig.upstream.send(&Frame::close(1000, "").unmasked()).await;
    let report = rig.pump.await.unwrap();
    assert_eq!((report.from_agent.messages, report.from_agent.close_code), (0, Some(4008)));
}
