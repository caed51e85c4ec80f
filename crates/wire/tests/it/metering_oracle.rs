//! Whatever is sent, however it is cut and whatever is granted: what arrives is what is covered, to the byte and to
//! the unit, as a count over whole frames has it that knows nothing of scanners.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tollwire_wire::{Counted, Measure};

use crate::common::{BINARY, CLOSE, CONTINUATION, Frame, PING, TEXT, wide};
use crate::metering::{long, metered};

/// The frames of one side, in its encoding.
#[derive(Debug, Clone)]
struct Script {
    measure: Measure,
    counted: Counted,
    frames: Vec<Frame>,
    /// Their lengths on the wire.
    sizes: Vec<usize>,
}

impl Script {
    fn new(measure: Measure, counted: Counted, frames: Vec<Frame>) -> Self {
        let mut script = Self { measure, counted, frames, sizes: Vec::new() };
        script.sizes = script.frames.iter().map(|frame| script.encode(frame).len()).collect();
        script
    }

    fn encode(&self, frame: &Frame) -> Vec<u8> {
        if self.counted == Counted::Up { frame.masked() } else { frame.unmasked() }
    }

    fn bytes(&self) -> Vec<u8> {
        self.frames.iter().flat_map(|frame| self.encode(frame)).collect()
    }

    /// How many bytes pass with so many units, and how many units they take.
    fn covered(&self, granted: u64) -> (usize, u64) {
        let (mut passed, mut used, mut message, mut wire) = (0, 0, 0, 0);
        for (frame, &size) in self.frames.iter().zip(&self.sizes) {
            let payload = wide(frame.payload.len());
            let after = match (self.measure, frame.opcode) {
                (Measure::Time, _) | (_, CLOSE..) => used,
                (Measure::Message, CONTINUATION) => {
                    // Units of the message so far are those of its bytes, at least one.
                    used + units(message + payload) - units(message)
                }
                (Measure::Message, _) => used + units(payload),
                (Measure::Kib, _) => (wire + wide(size)).div_ceil(1024),
            };
            if after > granted {
                break;
            }
            if frame.opcode < CLOSE {
                wire += wide(size);
                message = if frame.opcode == CONTINUATION { message + payload } else { payload };
            }
            used = after;
            passed += size;
        }
        (passed, used)
    }
}

fn units(payload: u64) -> u64 {
    payload.div_ceil(65_536).max(1)
}

fn frames() -> impl Strategy<Value = Vec<Frame>> {
    let payload = prop_oneof![
        6 => prop::collection::vec(any::<u8>(), 0..140),
        2 => prop::collection::vec(any::<u8>(), 900..1200),
        1 => (65_000_usize..66_000).prop_map(|len| vec![7; len]),
        1 => (0_usize..200_000).prop_map(|len| vec![9; len]),
    ];
    let part = (payload, prop::bool::weighted(0.2));
    let parts = prop_oneof![
        3 => prop::collection::vec(part.clone(), 1..2),
        1 => prop::collection::vec(part, 2..5),
    ];
    prop::collection::vec((parts, any::<bool>()), 1..12).prop_map(|messages| {
        let mut frames = Vec::new();
        for (parts, text) in messages {
            let last = parts.len() - 1;
            for (index, (payload, ping)) in parts.into_iter().enumerate() {
                let start = if text { TEXT } else { BINARY };
                let opcode = if index == 0 { start } else { CONTINUATION };
                frames.push(Frame { fin: index == last, rsv1: false, opcode, payload });
                if ping {
                    frames.push(Frame::new(PING, "p"));
                }
            }
        }
        frames
    })
}

fn scripts() -> impl Strategy<Value = Script> {
    let measure = prop_oneof![Just(Measure::Message), Just(Measure::Kib)];
    let counted = prop_oneof![Just(Counted::Down), Just(Counted::Up)];
    (measure, counted, frames()).prop_map(|(measure, counted, frames)| Script::new(measure, counted, frames))
}

/// Plays a script through a pump; after each grant what has arrived must be what that covers.
async fn play(script: &Script, grants: &[u64], capacity: usize, pieces: &[usize]) {
    let (rig, allowance) = metered(capacity, script.measure, script.counted);
    let (from, to) = match script.counted {
        Counted::Up => (rig.agent, rig.upstream),
        _ => (rig.upstream, rig.agent),
    };
    let bytes = script.bytes();
    let seen = Arc::<Mutex<Vec<u8>>>::default();
    let reader = tokio::spawn(read(to.socket, Arc::clone(&seen)));
    let writer = tokio::spawn(write(from.socket, bytes.clone(), pieces.to_vec()));
    let all = u64::MAX / 2048;
    let mut granted = 0;
    for step in grants.iter().copied().chain([all]) {
        allowance.grant(granted, long());
        // Long enough for every byte, with time that only passes when nothing else can be done.
        tokio::time::sleep(Duration::from_mins(10)).await;
        let (passed, used) = script.covered(granted);
        assert_eq!(allowance.used(), used, "with {granted} granted");
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), passed, "with {granted} granted");
        assert!(bytes.starts_with(&seen), "bytes changed");
        let needed = (passed < bytes.len()).then(|| {
            let enough = (granted + 1..=granted + 1000).find(|more| script.covered(*more).0 > passed);
            enough.expect("some grant lets the frame pass")
        });
        assert_eq!(allowance.needed(), needed, "with {granted} granted");
        granted = if step == all { all } else { granted + step };
    }
    allowance.grant(granted, long());
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert_eq!(allowance.used(), script.covered(all).1);
    assert!(*seen.lock().unwrap() == bytes, "with enough granted every byte arrives");
    rig.pump.abort();
    reader.abort();
    writer.abort();
}

async fn read<R: AsyncReadExt + Unpin>(mut from: R, seen: Arc<Mutex<Vec<u8>>>) {
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut chunk).await.unwrap();
        seen.lock().unwrap().extend(&chunk[..read]);
    }
}

async fn write<W: AsyncWriteExt + Unpin>(mut to: W, bytes: Vec<u8>, pieces: Vec<usize>) {
    let mut rest = bytes.as_slice();
    for size in pieces.into_iter().cycle() {
        let (piece, later) = rest.split_at(size.min(rest.len()));
        to.write_all(piece).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    std::future::pending::<()>().await;
}

fn virtual_time() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_arrives_is_what_is_covered(
        script in scripts(),
        grants in prop::collection::vec(prop_oneof![4 => 0_u64..4, 1 => 0_u64..400], 0..12),
        capacity in prop_oneof![1_usize..400, Just(1 << 20)],
        pieces in prop::collection::vec(prop_oneof![3 => 1_usize..200, 1 => 1000_usize..300_000], 1..20),
    ) {
        // Large scripts through a pipe of a few bytes take all day.
        let capacity = if script.bytes().len() > 20_000 { capacity.max(5000) } else { capacity };
        let pieces: Vec<usize> =
            pieces.iter().map(|size| if script.bytes().len() > 20_000 { size + 5000 } else { *size }).collect();
        virtual_time().block_on(play(&script, &grants, capacity, &pieces));
    }
}

/// Small messages, fragments with a ping between them, an empty message, a frame over 125 bytes.
fn small_traffic() -> Vec<Frame> {
    vec![
        Frame::new(TEXT, "one"),
        Frame::part(BINARY, "two, "),
        Frame::new(PING, "p"),
        Frame::new(CONTINUATION, "its end"),
        Frame::new(TEXT, ""),
        Frame::new(BINARY, vec![3; 130]),
        Frame::new(TEXT, "last"),
    ]
}

#[test]
fn wherever_the_bytes_are_cut_the_same_is_covered() {
    for measure in [Measure::Message, Measure::Kib] {
        for counted in [Counted::Down, Counted::Up] {
            let script = Script::new(measure, counted, small_traffic());
            let len = script.bytes().len();
            for cut in 1..len {
                virtual_time().block_on(play(&script, &[1, 1, 1, 1], 4096, &[cut, len]));
            }
            virtual_time().block_on(play(&script, &[1, 1, 1, 1], 4096, &[1]));
        }
    }
}
