//! What the agent says to us is taken out of its bytes; every other byte reaches the upstream.

use std::time::Duration;

use proptest::prelude::*;
use tokio::io::DuplexStream;
use tokio::time::timeout;
use tollwire_wire::{Allowance, Counted, End, Heard, HeardReceiver, Inbox, Limits, Measure, Side, Violation};
use tollwire_x402::close::CloseCode;

use crate::common::{BINARY, CLOSE, CONTINUATION, Frame, PING, Rig, TEXT, noise, pipes_with};
use crate::metering::long;

const PREFIX: &str = r#"{"type":"x402/"#;
const PAYMENT: &str = r#"{"type":"x402/payment","id":"1","data":{}}"#;

fn intercepted(capacity: usize) -> (Rig<DuplexStream>, HeardReceiver) {
    let (inbox, heard) = Inbox::new();
    (pipes_with(capacity, Limits::default(), |pump| pump.intercept(inbox)), heard)
}

fn masked(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(Frame::masked).collect()
}

/// What is heard, if it has come within a second of virtual time.
async fn hear(heard: &mut HeardReceiver) -> Option<Heard> {
    timeout(Duration::from_secs(1), heard.next()).await.unwrap_or(None)
}

#[tokio::test(start_paused = true)]
async fn a_control_message_is_taken_out_wherever_the_bytes_are_cut() {
    let around = [Frame::new(TEXT, "before"), Frame::new(PING, "p"), Frame::new(BINARY, "after")];
    let control = Frame::new(TEXT, PAYMENT);
    let bytes = masked(&[around[0].clone(), around[1].clone(), control.clone(), control, around[2].clone()]);
    for cut in 1..bytes.len() {
        let (mut rig, mut heard) = intercepted(4096);
        for piece in [&bytes[..cut], &bytes[cut..]] {
            rig.agent.send(piece).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(rig.upstream.exactly(masked(&around).len()).await == masked(&around), "cut at {cut}");
        rig.upstream.hears_nothing().await;
        for _ in 0..2 {
            assert_eq!(hear(&mut heard).await, Some(Heard::Message(PAYMENT.into())), "cut at {cut}");
        }
        rig.pump.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_passes_before_it_is_decided() {
    // Single bytes, in each form of the length.
    for len in [PAYMENT.len(), 200, 16 * 1024] {
        let mut text = PAYMENT.to_owned();
        text.push_str(&" ".repeat(len - text.len()));
        let (mut rig, mut heard) = intercepted(1 << 16);
        for byte in Frame::new(TEXT, text.as_str()).masked() {
            rig.agent.send(&[byte]).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(hear(&mut heard).await, Some(Heard::Message(text)));
        rig.upstream.hears_nothing().await;
        rig.pump.abort();
    }
    // The last byte that is looked at tells.
    let (mut rig, mut heard) = intercepted(4096);
    let near = Frame::new(TEXT, r#"{"type":"x402_of another kind"}"#);
    let (start, rest) = (&near.masked()[..6 + 13], &near.masked()[6 + 13..]);
    for byte in start {
        rig.agent.send(&[*byte]).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    rig.upstream.hears_nothing().await;
    rig.agent.send(&rest[..1]).await;
    assert_eq!(rig.upstream.exactly(start.len() + 1).await, near.masked()[..=start.len()]);
    rig.agent.send(&rest[1..]).await;
    assert_eq!(rig.upstream.exactly(rest.len() - 1).await, rest[1..]);
    assert_eq!(hear(&mut heard).await, None);
    rig.pump.abort();
}

#[tokio::test(start_paused = true)]
async fn what_is_no_control_message_passes_unchanged() {
    let frames = [
        Frame::new(TEXT, ""),
        Frame::new(TEXT, "{"),
        Frame::new(TEXT, &PREFIX[..13]),
        Frame::new(TEXT, r#"{"type": "x402/payment"}"#),
        Frame::new(TEXT, r#" {"type":"x402/payment"}"#),
        Frame::new(TEXT, r#"{"type":"X402/payment"}"#),
        Frame::new(BINARY, PAYMENT),
        Frame::new(PING, PAYMENT),
        Frame::part(TEXT, "x"),
        Frame::part(CONTINUATION, PAYMENT),
        Frame::new(CONTINUATION, PAYMENT),
        Frame::part(BINARY, ""),
        Frame::new(CONTINUATION, PAYMENT),
        Frame::new(TEXT, noise(70_000)),
        Frame::close(1000, ""),
    ];
    let (mut rig, mut heard) = intercepted(1 << 20);
    rig.agent.send(&masked(&frames)).await;
    assert!(rig.upstream.exactly(masked(&frames).len()).await == masked(&frames));
    assert_eq!(hear(&mut heard).await, None);
    rig.pump.abort();
}

#[tokio::test(start_paused = true)]
async fn malformed_messages_are_taken_out_whole_and_told() {
    let long_text = format!("{PAYMENT}{}", " ".repeat(16 * 1024));
    let not_utf8 = [PREFIX.as_bytes(), &[0xFF]].concat();
    let cases = [
        ("longer than 16 KiB", vec![Frame::new(TEXT, long_text.as_str())]),
        ("not UTF-8", vec![Frame::new(TEXT, not_utf8)]),
        ("fragmented", vec![Frame::part(TEXT, PREFIX), Frame::new(CONTINUATION, "payment\"}")]),
        ("fragmented", vec![Frame::part(TEXT, &PREFIX[..5]), Frame::new(CONTINUATION, &PAYMENT[5..])]),
        (
            "fragmented",
            vec![Frame::part(TEXT, ""), Frame::part(CONTINUATION, ""), Frame::new(CONTINUATION, "x")],
        ),
        ("fragmented", vec![Frame::part(TEXT, PAYMENT), Frame::new(CONTINUATION, noise(100_000))]),
    ];
    for (why, frames) in cases {
        let bytes = masked(&frames);
        let (mut rig, mut heard) = intercepted(1 << 20);
        for (number, frame) in frames.iter().enumerate() {
            // Control frames of the protocol pass between the fragments.
            let ping = Frame::new(PING, number.to_string());
            rig.agent.send(&ping.masked()).await;
            assert_eq!(rig.upstream.frame().await, Some(ping));
            rig.agent.send(&frame.masked()).await;
        }
        assert_eq!(hear(&mut heard).await, Some(Heard::Malformed(why)));
        rig.agent.send(&[bytes, masked(&[Frame::new(TEXT, "next")])].concat()).await;
        assert_eq!(hear(&mut heard).await, Some(Heard::Malformed(why)));
        assert_eq!(rig.upstream.frame().await, Some(Frame::new(TEXT, "next")), "{why}");
        rig.upstream.hears_nothing().await;
        rig.pump.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_protocol_forbids_ends_the_stream() {
    let reserved = |frame: Frame| Frame { rsv1: true, ..frame };
    let fragment = || Frame::part(TEXT, PAYMENT);
    let cases = [
        (1002, Violation::ReservedBit, vec![reserved(Frame::new(TEXT, PAYMENT))]),
        (1002, Violation::ReservedBit, vec![reserved(Frame::new(BINARY, "x"))]),
        (1002, Violation::ReservedBit, vec![reserved(Frame::new(PING, ""))]),
        (1002, Violation::Interleaved, vec![fragment(), Frame::new(BINARY, "x")]),
        (1002, Violation::Interleaved, vec![Frame::part(TEXT, "x"), Frame::new(TEXT, PAYMENT)]),
        (1002, Violation::Continuation, vec![Frame::new(TEXT, PAYMENT), Frame::new(CONTINUATION, "x")]),
        (1009, Violation::FrameTooBig, vec![fragment(), Frame::new(CONTINUATION, vec![1; 40_001])]),
        (1009, Violation::FrameTooBig, vec![Frame::new(TEXT, format!("{PAYMENT}{}", " ".repeat(40_000)))]),
        (1009, Violation::MessageTooBig, {
            let part = || Frame::part(CONTINUATION, vec![1; 39_000]);
            vec![fragment(), part(), part(), part()]
        }),
    ];
    let mut limits = Limits::default();
    limits.frame_bytes_max = 40_000;
    limits.message_bytes_max = 100_000;
    for (code, violation, frames) in cases {
        let (inbox, _heard) = Inbox::new();
        let mut rig = pipes_with(1 << 20, limits, |pump| pump.intercept(inbox));
        rig.agent.send(&masked(&[Frame::new(TEXT, "good")])).await;
        rig.agent.send(&masked(&frames)).await;
        assert_eq!(rig.upstream.frame().await, Some(Frame::new(TEXT, "good")));
        rig.upstream.send(&Frame::close(1000, "").unmasked()).await;
        assert_eq!(rig.agent.frame().await.unwrap().close_code(), Some(code), "{violation}");
        drop((rig.agent, rig.upstream));
        let report = rig.pump.await.unwrap();
        assert_eq!(report.end, End::Violated(Side::Agent, violation));
    }
}

#[tokio::test(start_paused = true)]
async fn empty_fragments_for_us_are_a_flood_too() {
    let mut limits = Limits::default();
    limits.control_frames_per_sec = 10;
    let (inbox, _heard) = Inbox::new();
    let mut rig = pipes_with(4096, limits, |pump| pump.intercept(inbox));
    rig.agent.send(&Frame::part(TEXT, PAYMENT).masked()).await;
    let flood: Vec<u8> = (0..11).flat_map(|_| Frame::part(CONTINUATION, "").masked()).collect();
    rig.agent.send(&flood).await;
    assert_eq!(rig.upstream.frame().await.unwrap().close_code(), Some(1000));
    drop((rig.agent, rig.upstream));
    assert_eq!(rig.pump.await.unwrap().end, End::Flooded(Side::Agent));
}

#[tokio::test(start_paused = true)]
async fn a_full_inbox_slows_the_agent_and_loses_nothing() {
    let (mut rig, mut heard) = intercepted(4096);
    let said: Vec<String> = (0..10).map(|number| format!("{PREFIX}{number}\"}}")).collect();
    let mut frames: Vec<Frame> = said.iter().map(|text| Frame::new(TEXT, text.as_str())).collect();
    frames.push(Frame::new(BINARY, "data"));
    rig.agent.send(&masked(&frames)).await;
    rig.upstream.hears_nothing().await;
    // The other direction does not wait.
    rig.upstream.send(&Frame::new(TEXT, "tick").unmasked()).await;
    assert_eq!(rig.agent.frame().await, Some(Frame::new(TEXT, "tick")));
    for (number, text) in said.into_iter().enumerate() {
        if number < 5 {
            rig.upstream.hears_nothing().await;
        }
        assert_eq!(hear(&mut heard).await, Some(Heard::Message(text)));
    }
    assert_eq!(rig.upstream.frame().await, Some(Frame::new(BINARY, "data")));
    rig.pump.abort();
    let _ = rig.pump.await;
    assert_eq!(heard.next().await, None, "the stream is over");
}

#[tokio::test(start_paused = true)]
async fn without_a_listener_messages_are_dropped() {
    let (mut rig, heard) = intercepted(4096);
    drop(heard);
    for _ in 0..10 {
        rig.agent.send(&Frame::new(TEXT, PAYMENT).masked()).await;
    }
    rig.agent.send(&Frame::new(BINARY, "data").masked()).await;
    assert_eq!(rig.upstream.frame().await, Some(Frame::new(BINARY, "data")));
    rig.pump.abort();
}

#[tokio::test(start_paused = true)]
async fn a_close_in_the_middle_of_a_control_message_hears_the_agents_close() {
    let (mut rig, _heard) = intercepted(4096);
    let control = Frame::new(TEXT, PAYMENT).masked();
    rig.agent.send(&control[..30]).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    rig.control.close(CloseCode::Exhausted);
    assert_eq!(rig.agent.frame().await.unwrap().close_code(), Some(4008));
    assert_eq!(rig.upstream.frame().await.unwrap().close_code(), Some(1000));
    rig.agent.send(&control[30..]).await;
    rig.agent.send(&Frame::close(4008, "").masked()).await;
    rig.upstream.send(&Frame::close(1000, "").unmasked()).await;
    assert_eq!(rig.pump.await.unwrap().from_agent.close_code, Some(4008));
}

#[tokio::test(start_paused = true)]
async fn control_messages_are_not_counted_and_are_heard_without_time() {
    for (measure, units) in [(Measure::Message, 2), (Measure::Time, 0)] {
        let allowance = Allowance::new(measure, Counted::Up);
        let (inbox, mut heard) = Inbox::new();
        let mut rig =
            pipes_with(4096, Limits::default(), |pump| pump.metered(allowance.clone()).intercept(inbox));
        let (control, data) = (Frame::new(TEXT, PAYMENT), Frame::new(TEXT, "data"));
        rig.agent.send(&masked(&[control.clone(), data.clone(), control, data.clone()])).await;
        assert_eq!(hear(&mut heard).await, Some(Heard::Message(PAYMENT.into())));
        rig.upstream.hears_nothing().await;
        assert_eq!(allowance.used(), 0);
        allowance.grant(units, long());
        assert_eq!(rig.upstream.frame().await.as_ref(), Some(&data));
        assert_eq!(rig.upstream.frame().await, Some(data));
        assert_eq!(hear(&mut heard).await, Some(Heard::Message(PAYMENT.into())));
        assert_eq!(allowance.used(), units);
        rig.pump.abort();
    }
}

/// A message of the agent: its frames, and what is heard of it if it is for us.
fn message() -> impl Strategy<Value = (Vec<Frame>, Option<Heard>)> {
    prop_oneof![
        2 => "[a-z]{0,300}".prop_map(|rest| {
            let text = format!("{PREFIX}{rest}");
            (vec![Frame::new(TEXT, text.as_str())], Some(Heard::Message(text)))
        }),
        1 => (0_usize..14, "[a-z]{0,30}").prop_map(|(len, rest)| {
            let frames = vec![Frame::part(TEXT, &PREFIX[..len]), Frame::new(PING, "p"), Frame::new(CONTINUATION, rest)];
            (frames, Some(Heard::Malformed("fragmented")))
        }),
        1 => (0_usize..13).prop_map(|len| (vec![Frame::new(TEXT, &PREFIX[..len])], None)),
        1 => (0_usize..14, any::<bool>()).prop_map(|(len, fin)| {
            let text = format!("{}?{}", &PREFIX[..len], "tail");
            let frames = if fin {
                vec![Frame::new(TEXT, text)]
            } else {
                vec![Frame::part(TEXT, text), Frame::new(CONTINUATION, PREFIX)]
            };
            (frames, None)
        }),
        2 => prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| (vec![Frame::new(BINARY, bytes)], None)),
        1 => Just((vec![Frame::new(PING, PREFIX)], None)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_upstream_gets_every_byte_but_ours(
        messages in prop::collection::vec(message(), 1..30), capacity in 1_usize..600,
        pieces in prop::collection::vec(1_usize..200, 1..30), metered: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let allowance = Allowance::new(Measure::Message, Counted::Up);
            allowance.grant(1000, long());
            let (inbox, mut heard) = Inbox::new();
            let mut rig = pipes_with(capacity, Limits::default(), |pump| {
                let pump = pump.intercept(inbox);
                if metered { pump.metered(allowance) } else { pump }
            });
            let mut sent = Vec::new();
            let mut passing = Vec::new();
            let mut ours = Vec::new();
            for (frames, expected) in messages {
                sent.extend(masked(&frames));
                passing.extend(frames.into_iter().filter(|frame| expected.is_none() || frame.opcode == PING));
                ours.extend(expected);
            }
            passing.push(Frame::close(1000, ""));
            sent.extend(passing[passing.len() - 1].masked());
            let writer = tokio::spawn(async move {
                let mut rest = sent.as_slice();
                for size in pieces.into_iter().cycle() {
                    let (piece, later) = rest.split_at(size.min(rest.len()));
                    rig.agent.send(piece).await;
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    rest = later;
                    if rest.is_empty() {
                        return rig.agent;
                    }
                }
                unreachable!("pieces never end")
            });
            let listener = tokio::spawn(async move {
                let mut all = Vec::new();
                while let Some(one) = heard.next().await {
                    all.push(one);
                }
                all
            });
            let bytes = masked(&passing);
            assert_eq!(rig.upstream.exactly(bytes.len()).await, bytes);
            let close = Frame::close(1000, "").unmasked();
            let mut agent = writer.await.unwrap();
            let ((), answer) = tokio::join!(rig.upstream.send(&close), agent.frame());
            assert_eq!(answer.unwrap().opcode, CLOSE);
            assert_eq!(rig.pump.await.unwrap().end, End::Closed(Side::Agent));
            assert_eq!(listener.await.unwrap(), ours);
        });
    }
}
