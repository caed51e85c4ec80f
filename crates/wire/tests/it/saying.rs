//! Words of our own between the upstream's messages.

use std::time::Duration;

use proptest::prelude::*;
use tokio::io::AsyncWriteExt;
use tollwire_wire::{Counted, End, Limits, Measure};
use tollwire_x402::close::CloseCode;

use crate::common::{BINARY, CLOSE, CONTINUATION, Frame, PING, TEXT, noise, pipes};
use crate::metering::metered;

#[tokio::test(start_paused = true)]
async fn an_idle_agent_hears_at_once_and_again() {
    let mut rig = pipes(1 << 17, Limits::default());
    for round in 0..3 {
        for text in ["", "grüße", &"x".repeat(126), &"y".repeat(65_000)] {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(rig.control.say(text), "round {round}");
            assert_eq!(rig.agent.frame().await, Some(Frame::new(TEXT, text)));
        }
    }
    rig.upstream.send(&Frame::new(BINARY, "tick").unmasked()).await;
    assert_eq!(rig.agent.frame().await, Some(Frame::new(BINARY, "tick")));
    rig.pump.abort();
}

#[tokio::test(start_paused = true)]
async fn inside_a_message_it_waits() {
    let mut rig = pipes(4096, Limits::default());
    rig.upstream.send(&Frame::part(TEXT, "first ").unmasked()).await;
    assert!(rig.agent.frame().await.is_some());
    assert!(rig.control.say("one"));
    assert!(rig.control.say("two"));
    rig.agent.hears_nothing().await;
    let rest = [Frame::new(PING, ""), Frame::new(CONTINUATION, "second"), Frame::new(BINARY, "next")];
    rig.upstream.send(&rest.iter().flat_map(Frame::unmasked).collect::<Vec<_>>()).await;
    let [ping, end, next] = rest;
    for expected in [ping, end, Frame::new(TEXT, "one"), Frame::new(TEXT, "two"), next] {
        assert_eq!(rig.agent.frame().await, Some(expected));
    }
    rig.pump.abort();
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_does_not_read_is_told_a_bounded_amount_in_order() {
    let mut rig = pipes(64, Limits::default());
    let frame = Frame::new(BINARY, noise(200));
    rig.upstream.send(&frame.unmasked()[..60]).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let upstream = tokio::spawn(async move {
        rig.upstream.send(&Frame::new(BINARY, noise(200)).unmasked()[60..]).await;
        rig.upstream
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut said = 0;
    while rig.control.say(said.to_string()) {
        said += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(said, 16);
    assert_eq!(rig.agent.frame().await, Some(frame));
    for number in 0..said {
        assert_eq!(rig.agent.frame().await, Some(Frame::new(TEXT, number.to_string())));
    }
    assert!(rig.control.say("again"));
    assert_eq!(rig.agent.frame().await, Some(Frame::new(TEXT, "again")));
    rig.pump.abort();
    drop(upstream.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn what_was_said_stands_before_the_close() {
    let mut rig = pipes(4096, Limits::default());
    assert!(rig.control.say("receipt"));
    assert!(rig.control.close(CloseCode::Exhausted));
    assert!(!rig.control.say("too late"));
    assert_eq!(rig.agent.frame().await, Some(Frame::new(TEXT, "receipt")));
    assert_eq!(rig.agent.frame().await.unwrap().close_code(), Some(4008));
    assert_eq!(rig.agent.frame().await, None);
    rig.agent.send(&Frame::close(4008, "").masked()).await;
    rig.upstream.socket.shutdown().await.unwrap();
    assert_eq!(rig.pump.await.unwrap().end, End::Requested);

    // In the middle of a message both wait for its end.
    let mut rig = pipes(4096, Limits::default());
    rig.upstream.send(&Frame::part(TEXT, "first ").unmasked()).await;
    assert!(rig.agent.frame().await.is_some());
    assert!(rig.control.say("receipt"));
    assert!(rig.control.close(CloseCode::Exhausted));
    rig.upstream.send(&Frame::new(CONTINUATION, "second").unmasked()).await;
    assert_eq!(rig.agent.frame().await, Some(Frame::new(CONTINUATION, "second")));
    assert_eq!(rig.agent.frame().await, Some(Frame::new(TEXT, "receipt")));
    assert_eq!(rig.agent.frame().await.unwrap().close_code(), Some(4008));
    rig.pump.abort();
}

#[tokio::test(start_paused = true)]
async fn nothing_is_said_inside_a_message_that_never_ends() {
    let mut rig = pipes(4096, Limits::default());
    rig.upstream.send(&Frame::part(TEXT, "first ").unmasked()).await;
    assert!(rig.agent.frame().await.is_some());
    assert!(rig.control.say("receipt"));
    assert!(rig.control.close(CloseCode::Exhausted));
    assert_eq!(rig.agent.frame().await.unwrap().close_code(), Some(4008));
    rig.pump.abort();
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_had_its_close_hears_nothing() {
    let mut rig = pipes(4096, Limits::default());
    rig.upstream.send(&Frame::close(1000, "").unmasked()).await;
    assert!(rig.agent.frame().await.is_some());
    assert!(!rig.control.say("too late"));
    drop((rig.agent, rig.upstream));
    rig.pump.await.unwrap();
    assert!(!rig.control.say("much too late"));
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_vanishes_takes_no_words_away() {
    let mut rig = pipes(4096, Limits::default());
    tokio::task::yield_now().await;
    drop(rig.upstream);
    assert!(rig.control.say("receipt"));
    assert_eq!(rig.agent.frame().await, Some(Frame::new(TEXT, "receipt")));
    assert_eq!(rig.agent.frame().await.unwrap().close_code(), Some(1011));
    rig.pump.abort();
}

#[tokio::test(start_paused = true)]
async fn words_of_our_own_are_free_and_pass_a_stream_that_waits() {
    for measure in [Measure::Message, Measure::Kib, Measure::Time] {
        let (mut rig, allowance) = metered(4096, measure, Counted::Down);
        rig.upstream.send(&Frame::new(TEXT, "not paid").unmasked()).await;
        allowance.short().await;
        assert!(rig.control.say("pay"));
        assert_eq!(rig.agent.frame().await, Some(Frame::new(TEXT, "pay")));
        assert_eq!(allowance.used(), 0);
        rig.agent.hears_nothing().await;
        rig.pump.abort();
    }
}

fn messages() -> impl Strategy<Value = Vec<Frame>> {
    let part = (prop::collection::vec(any::<u8>(), 0..200), any::<bool>());
    prop::collection::vec(prop::collection::vec(part, 1..4), 1..30).prop_map(|messages| {
        let mut frames = Vec::new();
        for parts in messages {
            let last = parts.len() - 1;
            for (index, (payload, ping)) in parts.into_iter().enumerate() {
                let opcode = if index == 0 { BINARY } else { CONTINUATION };
                frames.push(Frame { fin: index == last, rsv1: false, opcode, payload });
                if ping {
                    frames.push(Frame::new(PING, "p"));
                }
            }
        }
        frames
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_flood_flows_unbroken_around_what_is_said(
        down in messages(), capacity in 1_usize..2000, piece in 1_usize..1000,
        delays in prop::collection::vec(0_u64..20, 1..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut rig = pipes(capacity, Limits::default());
            let mut bytes: Vec<u8> = down.iter().flat_map(Frame::unmasked).collect();
            bytes.extend(Frame::close(1000, "").unmasked());
            let sender = tokio::spawn(async move {
                for piece in bytes.chunks(piece) {
                    rig.upstream.send(piece).await;
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                rig.upstream
            });
            let control = rig.control.clone();
            let speaker = tokio::spawn(async move {
                let mut said = Vec::new();
                for (number, delay) in delays.into_iter().enumerate() {
                    tokio::time::sleep(Duration::from_millis(delay)).await;
                    if control.say(format!("ours {number}")) {
                        said.push(Frame::new(TEXT, format!("ours {number}")));
                    }
                }
                said
            });
            let (mut theirs, mut ours, mut open) = (Vec::new(), Vec::new(), false);
            loop {
                let frame = rig.agent.frame().await.expect("a close before the end");
                match frame.opcode {
                    CLOSE => break,
                    TEXT => {
                        assert!(!open, "inside a message");
                        ours.push(frame);
                    }
                    opcode => {
                        open = if opcode == PING { open } else { !frame.fin };
                        theirs.push(frame);
                    }
                }
            }
            assert_eq!(theirs, down);
            let said = speaker.await.unwrap();
            assert_eq!(&ours[..], &said[..ours.len()], "in order");
            drop(sender.await.unwrap());
            rig.pump.abort();
        });
    }
}
