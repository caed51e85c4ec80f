//! A close frame is only ever written between frames, at whatever moment it is asked for.

use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tollwire_wire::{End, Limits};
use tollwire_x402::close::CloseCode;

use crate::common::{BINARY, CLOSE, CONTINUATION, Frame, PING, pipes};

fn messages() -> impl Strategy<Value = Vec<Frame>> {
    let part = (prop::collection::vec(any::<u8>(), 0..200), any::<bool>());
    prop::collection::vec(prop::collection::vec(part, 1..4), 1..12).prop_map(|messages| {
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
    fn a_close_stands_only_between_frames(
        down in messages(), up in messages(), capacity in 1_usize..300, piece in 1_usize..100,
        delay_ms in 0_u64..120, grace_ms in 0_u64..40, unread_ms in 0_u64..60,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut limits = Limits::default();
            limits.close_grace = Duration::from_millis(grace_ms);
            let rig = pipes(capacity, limits);
            let (mut agent_read, agent_write) = tokio::io::split(rig.agent.socket);
            let (mut upstream_read, upstream_write) = tokio::io::split(rig.upstream.socket);
            let down_bytes: Vec<u8> = down.iter().flat_map(Frame::unmasked).collect();
            let up_bytes: Vec<u8> = up.iter().flat_map(Frame::masked).collect();
            let upstream = tokio::spawn(trickle(upstream_write, down_bytes.clone(), piece));
            let agent = tokio::spawn(trickle(agent_write, up_bytes.clone(), piece));
            let reader = tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(unread_ms)).await;
                let mut seen = Vec::new();
                agent_read.read_to_end(&mut seen).await.unwrap();
                seen
            });
            let sink = tokio::spawn(async move {
                let mut seen = Vec::new();
                upstream_read.read_to_end(&mut seen).await.unwrap();
                seen
            });
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
            rig.control.close(CloseCode::Exhausted);
            let report = rig.pump.await.unwrap();
            let (at_agent, at_upstream) = (reader.await.unwrap(), sink.await.unwrap());
            upstream.abort();
            agent.abort();
            assert_eq!(report.end, End::Requested);
            check(&at_agent, &down_bytes, &down, report.agent_got.map(|_| 4008));
            check(&at_upstream, &up_bytes, &up, Frame::decode(&at_upstream).0.last().and_then(Frame::close_code));
        });
    }
}

/// Writes `bytes` in pieces, a millisecond apart, and then stays open.
async fn trickle<W: AsyncWriteExt + Unpin>(mut to: W, bytes: Vec<u8>, piece: usize) {
    for piece in bytes.chunks(piece) {
        if to.write_all(piece).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    std::future::pending::<()>().await;
}

/// `seen` is a prefix of what was sent, ended by the close at a frame boundary, or cut without a close.
fn check(seen: &[u8], sent: &[u8], frames: &[Frame], close: Option<u16>) {
    let Some(code) = close else {
        assert!(sent.starts_with(seen), "nothing was written into a torn frame");
        return;
    };
    let (got, rest) = Frame::decode(seen);
    assert!(rest.is_empty());
    let (last, before) = got.split_last().unwrap();
    assert_eq!((last.opcode, last.close_code()), (CLOSE, Some(code)));
    assert_eq!(before, &frames[..before.len()]);
}
