//! Who ends a stream, in every order, and what each side is told.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::Instant;
use tollwire_wire::{Close, End, Limits, Side, Violation};
use tollwire_x402::close::CloseCode;

use crate::common::{BINARY, CLOSE, CONTINUATION, Frame, PING, TEXT, pipes, sockets, soon};

const EXHAUSTED: &str = "Session balance exhausted. Re-authorize via x402 to continue.";

#[tokio::test]
async fn an_upstreams_close_passes_with_code_and_reason() {
    let mut rig = sockets(Limits::default()).await;
    let close = Frame::close(4242, "gone fishing");
    rig.upstream.send(&close.unmasked()).await;
    assert_eq!(soon(rig.agent.frame()).await, Some(close));
    // The agent may still speak before it answers.
    rig.agent.send(&Frame::new(TEXT, "last words").masked()).await;
    rig.agent.send(&Frame::close(4242, "bye").masked()).await;
    assert_eq!(soon(rig.upstream.frame()).await, Some(Frame::new(TEXT, "last words")));
    assert_eq!(soon(rig.upstream.frame()).await, Some(Frame::close(4242, "bye")));
    assert_eq!(soon(rig.upstream.frame()).await, None);
    assert_eq!(soon(rig.agent.frame()).await, None);
    let report = soon(rig.pump).await.unwrap();
    assert_eq!(report.end, End::Closed(Side::Upstream));
    assert_eq!(report.agent_got, Some(4242));
    assert_eq!((report.from_agent.close_code, report.from_upstream.close_code), (Some(4242), Some(4242)));
}

#[tokio::test]
async fn an_agents_close_passes_and_so_does_the_answer() {
    let mut rig = sockets(Limits::default()).await;
    rig.agent.send(&Frame::close(1000, "done").masked()).await;
    assert_eq!(soon(rig.upstream.frame()).await, Some(Frame::close(1000, "done")));
    // What the upstream still had to say comes first.
    rig.upstream.send(&Frame::new(BINARY, "rest").unmasked()).await;
    rig.upstream.send(&Frame::close(1000, "").unmasked()).await;
    assert_eq!(soon(rig.agent.frame()).await, Some(Frame::new(BINARY, "rest")));
    assert_eq!(soon(rig.agent.frame()).await, Some(Frame::close(1000, "")));
    assert_eq!(soon(rig.agent.frame()).await, None);
    let report = soon(rig.pump).await.unwrap();
    assert_eq!(report.end, End::Closed(Side::Agent));
    assert_eq!(report.agent_got, Some(1000));
}

#[tokio::test]
async fn an_upstream_that_vanishes_is_1011() {
    let mut rig = sockets(Limits::default()).await;
    rig.upstream.send(&Frame::new(TEXT, "hi").unmasked()).await;
    drop(rig.upstream);
    assert_eq!(soon(rig.agent.frame()).await, Some(Frame::new(TEXT, "hi")));
    assert_eq!(soon(rig.agent.frame()).await.unwrap().close_code(), Some(1011));
    assert_eq!(soon(rig.agent.frame()).await, None);
    rig.agent.send(&Frame::close(1011, "").masked()).await;
    let report = soon(rig.pump).await.unwrap();
    assert_eq!(report.end, End::Gone(Side::Upstream));
    assert_eq!((report.agent_got, report.from_agent.close_code), (Some(1011), Some(1011)));
    assert_eq!(report.from_upstream.close_code, None);
}

#[tokio::test]
async fn an_upstream_that_vanishes_inside_a_frame_just_ends() {
    let mut rig = sockets(Limits::default()).await;
    let torn = &Frame::new(TEXT, "torn").unmasked()[..4];
    rig.upstream.send(torn).await;
    drop(rig.upstream);
    assert_eq!(soon(rig.agent.exactly(4)).await, torn);
    assert_eq!(soon(rig.agent.rest()).await, b"");
    let report = soon(rig.pump).await.unwrap();
    assert_eq!((report.end, report.agent_got), (End::Gone(Side::Upstream), None));
}

#[tokio::test]
async fn an_upstream_that_resets_is_1011() {
    let mut rig = sockets(Limits::default()).await;
    rig.upstream.socket.set_zero_linger().unwrap();
    drop(rig.upstream);
    assert_eq!(soon(rig.agent.frame()).await.unwrap().close_code(), Some(1011));
    drop(rig.agent);
    assert_eq!(soon(rig.pump).await.unwrap().end, End::Gone(Side::Upstream));
}

#[tokio::test]
async fn an_upstream_that_answers_a_close_by_vanishing_just_ends() {
    let mut rig = sockets(Limits::default()).await;
    rig.agent.send(&Frame::close(4999, "mine").masked()).await;
    assert_eq!(soon(rig.upstream.frame()).await.unwrap().close_code(), Some(4999));
    drop(rig.upstream);
    assert_eq!(soon(rig.agent.rest()).await, b"", "we do not answer for the upstream");
    let report = soon(rig.pump).await.unwrap();
    assert_eq!((report.end, report.agent_got), (End::Closed(Side::Agent), None));
}

#[tokio::test]
async fn an_agent_that_vanishes_is_a_masked_1001() {
    let mut rig = sockets(Limits::default()).await;
    rig.agent.send(&Frame::new(TEXT, "hi").masked()).await;
    drop(rig.agent);
    assert_eq!(soon(rig.upstream.frame()).await, Some(Frame::new(TEXT, "hi")));
    let raw = soon(rig.upstream.exactly(2)).await;
    assert_eq!(raw[0], 0x88);
    assert_eq!(raw[1] & 0x80, 0x80, "a client masks");
    drop(rig.upstream);
    let report = soon(rig.pump).await.unwrap();
    assert_eq!((report.end, report.agent_got), (End::Gone(Side::Agent), None));
}

#[tokio::test]
async fn an_agent_that_vanishes_inside_a_frame_just_ends() {
    let mut rig = sockets(Limits::default()).await;
    let torn = &Frame::new(TEXT, "torn").masked()[..8];
    rig.agent.send(torn).await;
    assert_eq!(soon(rig.upstream.exactly(8)).await, torn);
    drop(rig.agent);
    assert_eq!(soon(rig.upstream.rest()).await, b"");
    assert_eq!(soon(rig.pump).await.unwrap().end, End::Gone(Side::Agent));
}

#[tokio::test]
async fn a_requested_close_reaches_an_agent_that_is_sending() {
    let mut rig = sockets(Limits::default()).await;
    // The agent floods without reading: unread input must not turn the close into a reset.
    let frame = Frame::new(BINARY, vec![7; 1000]).masked();
    for _ in 0..50 {
        rig.agent.send(&frame).await;
    }
    assert!(rig.control.close(CloseCode::Exhausted));
    for _ in 0..50 {
        rig.agent.send(&frame).await;
    }
    let close = soon(rig.agent.frame()).await.unwrap();
    assert_eq!(close, Frame::close(4008, EXHAUSTED));
    assert_eq!(soon(rig.agent.frame()).await, None, "half-closed");
    rig.agent.send(&Frame::close(4008, "").masked()).await;
    loop {
        let frame = soon(rig.upstream.frame()).await.expect("a close before the end");
        if frame.opcode == CLOSE {
            assert_eq!(frame.close_code(), Some(1000));
            break;
        }
        assert_eq!(frame.payload.len(), 1000);
    }
    rig.upstream.send(&Frame::close(1000, "").unmasked()).await;
    let report = soon(rig.pump).await.unwrap();
    assert_eq!((report.end, report.agent_got), (End::Requested, Some(4008)));
    assert_eq!((report.from_agent.close_code, report.from_upstream.close_code), (Some(4008), Some(1000)));
}

#[tokio::test(start_paused = true)]
async fn a_requested_close_waits_for_the_end_of_the_message() {
    let mut rig = pipes(1024, Limits::default());
    rig.upstream.send(&Frame::part(TEXT, "first ").unmasked()).await;
    assert_eq!(rig.agent.frame().await, Some(Frame::part(TEXT, "first ")));
    rig.control.close(CloseCode::Exhausted);
    tokio::time::sleep(Duration::from_millis(500)).await;
    rig.upstream.send(&Frame::new(PING, "").unmasked()).await;
    rig.upstream.send(&Frame::new(CONTINUATION, "second").unmasked()).await;
    rig.upstream.send(&Frame::new(TEXT, "not paid").unmasked()).await;
    assert_eq!(rig.agent.frame().await.unwrap().opcode, PING);
    assert_eq!(rig.agent.frame().await, Some(Frame::new(CONTINUATION, "second")));
    assert_eq!(rig.agent.frame().await.unwrap().close_code(), Some(4008));
    rig.agent.send(&Frame::close(4008, "").masked()).await;
    rig.upstream.socket.shutdown().await.unwrap();
    let report = rig.pump.await.unwrap();
    assert_eq!(report.from_upstream.messages, 1, "what came after the close does not count");
}

#[tokio::test(start_paused = true)]
async fn after_the_grace_the_end_of_a_frame_will_do() {
    let limits = Limits::default();
    let mut rig = pipes(1024, limits);
    rig.upstream.send(&Frame::part(TEXT, "never ends").unmasked()).await;
    rig.agent.frame().await.unwrap();
    let started = Instant::now();
    rig.control.close(CloseCode::Unauthorized);
    assert_eq!(rig.agent.frame().await.unwrap().close_code(), Some(4001));
    assert!(started.elapsed() >= limits.close_grace);
    assert!(started.elapsed() < limits.close_grace + Duration::from_millis(10));
    rig.pump.abort();
}

#[tokio::test(start_paused = true)]
async fn inside_a_frame_that_never_ends_there_is_no_close() {
    let limits = Limits::default();
    let mut rig = pipes(1024, limits);
    let torn = &Frame::new(TEXT, "0123456789").unmasked()[..5];
    rig.upstream.send(torn).await;
    assert_eq!(rig.agent.exactly(5).await, torn);
    let started = Instant::now();
    rig.control.close(CloseCode::Exhausted);
    assert_eq!(rig.agent.rest().await, b"", "nothing is written into a frame");
    assert!(started.elapsed() >= limits.close_grace + limits.close_wait);
    assert_eq!(rig.pump.await.unwrap().agent_got, None);
}

#[tokio::test(start_paused = true)]
async fn peers_that_do_not_answer_a_close_have_a_bounded_time() {
    let limits = Limits::default();
    let mut rig = pipes(1024, limits);
    let started = Instant::now();
    rig.control.close(Close::new(1001, "draining"));
    assert_eq!(rig.agent.frame().await, Some(Frame::close(1001, "draining")));
    assert_eq!(rig.upstream.frame().await.unwrap().close_code(), Some(1000));
    let report = rig.pump.await.unwrap();
    assert_eq!(started.elapsed().as_secs(), limits.close_wait.as_secs());
    assert_eq!(
        (report.end, report.agent_got, report.from_agent.close_code),
        (End::Requested, Some(1001), None)
    );
}

#[tokio::test(start_paused = true)]
async fn half_open_peers_have_a_bounded_time() {
    // The upstream sends its Close; the agent neither answers nor goes.
    let limits = Limits::default();
    let mut rig = pipes(1024, limits);
    let started = Instant::now();
    rig.upstream.send(&Frame::close(1000, "").unmasked()).await;
    rig.agent.frame().await.unwrap();
    let report = rig.pump.await.unwrap();
    assert_eq!(report.end, End::Closed(Side::Upstream));
    assert_eq!(started.elapsed().as_secs(), limits.close_wait.as_secs());

    // The agent goes without a Close; the upstream goes on sending.
    let mut rig = pipes(1024, limits);
    let started = Instant::now();
    rig.agent.socket.shutdown().await.unwrap();
    let upstream = tokio::spawn(async move {
        while rig.upstream.socket.write_all(&Frame::new(TEXT, "tick").unmasked()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let report = rig.pump.await.unwrap();
    assert_eq!(report.end, End::Gone(Side::Agent));
    assert_eq!(started.elapsed().as_secs(), limits.close_wait.as_secs());
    upstream.await.unwrap();
}

#[tokio::test]
async fn a_violating_agent_is_told_after_the_answers_it_has_coming() {
    let mut rig = sockets(Limits::default()).await;
    rig.agent.send(&Frame::new(TEXT, "good").masked()).await;
    // Not masked.
    rig.agent.send(&Frame::new(TEXT, "bad").unmasked()).await;
    assert_eq!(soon(rig.upstream.frame()).await, Some(Frame::new(TEXT, "good")));
    assert_eq!(soon(rig.upstream.frame()).await.unwrap().close_code(), Some(1000));
    rig.upstream.send(&Frame::new(TEXT, "answer").unmasked()).await;
    rig.upstream.send(&Frame::close(1000, "").unmasked()).await;
    assert_eq!(soon(rig.agent.frame()).await, Some(Frame::new(TEXT, "answer")));
    assert_eq!(soon(rig.agent.frame()).await.unwrap().close_code(), Some(1002));
    drop(rig.agent);
    let report = soon(rig.pump).await.unwrap();
    assert_eq!(report.end, End::Violated(Side::Agent, Violation::Mask));
    assert_eq!((report.agent_got, report.from_agent.messages), (Some(1002), 1));
}

#[tokio::test]
async fn a_violating_upstream_is_told_and_the_agent_is_not_blamed() {
    let mut rig = sockets(Limits::default()).await;
    rig.upstream.send(&Frame::new(TEXT, "good").unmasked()).await;
    rig.upstream.send(&Frame::new(0x3, "bad").unmasked()).await;
    assert_eq!(soon(rig.agent.frame()).await, Some(Frame::new(TEXT, "good")));
    assert_eq!(soon(rig.agent.frame()).await.unwrap().close_code(), Some(1011));
    assert_eq!(soon(rig.upstream.frame()).await.unwrap().close_code(), Some(1002));
    drop((rig.agent, rig.upstream));
    let report = soon(rig.pump).await.unwrap();
    assert_eq!(report.end, End::Violated(Side::Upstream, Violation::Opcode(3)));
}
