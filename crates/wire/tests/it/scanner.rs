//! The scanner's verdict does not depend on how bytes are cut into reads, and no bytes make it panic.

use crate::common::{BINARY, CLOSE, CONTINUATION, Frame, PING, PONG, TEXT, wide};
use proptest::prelude::*;
use tollwire_wire::{FrameScanner, Limits, Side, Stop, Traffic, Until, Violation};

/// Scans `bytes` cut at `cuts`, presenting an incomplete header again as a caller must; all that passed, how it
/// stopped and what was counted.
fn scan(scanner: &mut FrameScanner, bytes: &[u8], cuts: &[usize], until: Until) -> (usize, Stop) {
    let mut passed = 0;
    for end in cuts.iter().copied().chain([bytes.len()]) {
        let scan = scanner.scan(&bytes[passed..end.max(passed)], until);
        passed += scan.passed;
        assert!(passed <= bytes.len());
        if scan.stop != Stop::Drained {
            return (passed, scan.stop);
        }
        assert!(end.max(passed) - passed < 14, "only a header is kept back");
    }
    (passed, Stop::Drained)
}

/// Frames of whole messages, control frames between and inside them.
fn frames() -> impl Strategy<Value = Vec<Frame>> {
    let payload = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..130),
        1 => prop::collection::vec(any::<u8>(), 0..1000),
        1 => Just(vec![7; 65_536]),
    ];
    let control = (prop_oneof![Just(PING), Just(PONG)], prop::collection::vec(any::<u8>(), 0..126));
    let part = (payload, prop::option::weighted(0.3, control));
    let message = (any::<bool>(), any::<bool>(), prop::collection::vec(part, 1..4));
    prop::collection::vec(message, 0..6).prop_map(|messages| {
        let mut frames = Vec::new();
        for (text, rsv1, parts) in messages {
            let last = parts.len() - 1;
            for (index, (payload, control)) in parts.into_iter().enumerate() {
                let opcode = if index > 0 {
                    CONTINUATION
                } else if text {
                    TEXT
                } else {
                    BINARY
                };
                frames.push(Frame { fin: index == last, rsv1: rsv1 && index == 0, opcode, payload });
                frames.extend(control.map(|(opcode, payload)| Frame::new(opcode, payload)));
            }
        }
        frames
    })
}

fn encode(frames: &[Frame], side: Side) -> Vec<u8> {
    let encode = if side == Side::Agent { Frame::masked } else { Frame::unmasked };
    frames.iter().flat_map(encode).collect()
}

fn sides() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Agent), Just(Side::Upstream)]
}

fn cuts() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..40)
}

fn places(cuts: &[prop::sample::Index], len: usize) -> Vec<usize> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(len + 1)).collect();
    places.sort_unstable();
    places
}

proptest! {
    #[test]
    fn any_cutting_of_good_frames_gives_the_same_count(frames in frames(), side in sides(), cuts in cuts()) {
        let bytes = encode(&frames, side);
        let mut scanner = FrameScanner::new(side, &Limits::default());
        let verdict = scan(&mut scanner, &bytes, &places(&cuts, bytes.len()), Until::Drained);
        prop_assert_eq!(verdict, (bytes.len(), Stop::Drained));
        prop_assert!(scanner.at_message_boundary());
        let count = |wanted: fn(&Frame) -> bool| wide(frames.iter().filter(|frame| wanted(frame)).count());
        prop_assert_eq!(*scanner.traffic(), Traffic {
            bytes: wide(bytes.len()),
            data_frames: count(|frame| frame.opcode < CLOSE),
            messages: count(|frame| matches!(frame.opcode, TEXT | BINARY)),
            control_frames: count(|frame| frame.opcode >= CLOSE),
            close_code: None,
        });
    }

    #[test]
    fn a_close_is_found_wherever_it_stands(
        frames in frames(), side in sides(), cuts in cuts(), code: u16, reason in "[a-zü]{0,60}", behind: Vec<u8>,
    ) {
        let mut bytes = encode(&frames, side);
        bytes.extend(encode(&[Frame::close(code, &reason)], side));
        let end = bytes.len();
        bytes.extend(behind);
        let mut scanner = FrameScanner::new(side, &Limits::default());
        let verdict = scan(&mut scanner, &bytes, &places(&cuts, bytes.len()), Until::Drained);
        prop_assert_eq!(verdict, (end, Stop::Close));
        prop_assert_eq!(scanner.traffic().close_code, Some(code));
        // Nothing follows a Close.
        prop_assert_eq!(scanner.scan(&bytes[end..], Until::Drained).passed, 0);
    }

    #[test]
    fn garbage_never_panics_and_cutting_it_changes_nothing(
        bytes in prop::collection::vec(any::<u8>(), 0..400), side in sides(), cuts in cuts(),
        until in prop_oneof![Just(Until::Drained), Just(Until::Close)],
    ) {
        let limits = Limits::default();
        let mut whole = FrameScanner::new(side, &limits);
        let expected = scan(&mut whole, &bytes, &[], until);
        let mut cut = FrameScanner::new(side, &limits);
        prop_assert_eq!(scan(&mut cut, &bytes, &places(&cuts, bytes.len()), until), expected);
        prop_assert_eq!(cut.traffic(), whole.traffic());
        prop_assert_eq!(cut.at_message_boundary(), whole.at_message_boundary());
    }

    #[test]
    fn stops_are_at_boundaries(frames in frames(), side in sides(), at: prop::sample::Index) {
        let bytes = encode(&frames, side);
        let at = at.index(bytes.len() + 1);
        let mut scanner = FrameScanner::new(side, &Limits::default());
        let before = scanner.scan(&bytes[..at], Until::Drained).passed;
        for until in [Until::Frame, Until::Message] {
            let mut scanner = scanner.clone();
            let scan = scanner.scan(&bytes[before..], until);
            prop_assert_eq!(scan.stop, Stop::Boundary);
            let (passed, rest) = Frame::decode(&bytes[..before + scan.passed]);
            prop_assert_eq!(rest.len(), 0, "a boundary is between frames");
            let data = passed.iter().rfind(|frame| frame.opcode < CLOSE);
            prop_assert!(until == Until::Frame || data.is_none_or(|frame| frame.fin));
        }
    }
}

/// What a scanner says of `frames` from an upstream.
fn verdict(limits: &Limits, frames: &[Frame]) -> (usize, Stop) {
    let bytes = encode(frames, Side::Upstream);
    scan(&mut FrameScanner::new(Side::Upstream, limits), &bytes, &[], Until::Drained)
}

#[test]
fn messages_do_not_interleave() {
    let limits = Limits::default();
    let lone = [Frame::new(CONTINUATION, "a")];
    assert_eq!(verdict(&limits, &lone), (0, Stop::Violation(Violation::Continuation)));
    let double = [Frame::part(TEXT, "a"), Frame::new(TEXT, "b")];
    assert_eq!(verdict(&limits, &double), (3, Stop::Violation(Violation::Interleaved)));
    let late = [Frame::part(TEXT, "a"), Frame::new(CONTINUATION, "b"), Frame::new(CONTINUATION, "c")];
    assert_eq!(verdict(&limits, &late), (6, Stop::Violation(Violation::Continuation)));
}

#[test]
fn sizes_are_judged_by_the_header() {
    let mut limits = Limits::default();
    limits.frame_bytes_max = 10;
    limits.message_bytes_max = 15;
    assert_eq!(verdict(&limits, &[Frame::new(TEXT, [b'a'; 10])]), (12, Stop::Drained));
    let frame = [Frame::new(TEXT, "ok"), Frame::new(TEXT, [b'a'; 11])];
    assert_eq!(verdict(&limits, &frame), (4, Stop::Violation(Violation::FrameTooBig)));
    let message = [Frame::part(TEXT, [b'a'; 10]), Frame::new(CONTINUATION, [b'a'; 6])];
    assert_eq!(verdict(&limits, &message), (12, Stop::Violation(Violation::MessageTooBig)));
    let fits =
        [Frame::part(TEXT, [b'a'; 10]), Frame::new(CONTINUATION, [b'a'; 5]), Frame::new(TEXT, [1; 10])];
    assert_eq!(verdict(&limits, &fits), (31, Stop::Drained));
}

#[test]
fn a_huge_announced_length_is_refused_without_its_bytes() {
    let mut scanner = FrameScanner::new(Side::Upstream, &Limits::default());
    let scan = scanner.scan(&[0x82, 127, 0x7F, 255, 255, 255, 255, 255, 255, 255], Until::Drained);
    assert_eq!((scan.passed, scan.stop), (0, Stop::Violation(Violation::FrameTooBig)));
}

#[test]
fn a_close_without_code_is_1005() {
    for payload in [&[][..], &[3][..]] {
        let mut scanner = FrameScanner::new(Side::Agent, &Limits::default());
        let bytes = Frame::new(CLOSE, payload).masked();
        assert_eq!(scanner.scan(&bytes, Until::Drained).stop, Stop::Close);
        assert_eq!(scanner.traffic().close_code, Some(1005));
    }
}

#[test]
fn a_close_can_be_kept_back() {
    let bytes = encode(&[Frame::new(TEXT, "a"), Frame::close(1000, "")], Side::Upstream);
    let mut scanner = FrameScanner::new(Side::Upstream, &Limits::default());
    let scan = scanner.scan(&bytes, Until::Close);
    assert_eq!((scan.passed, scan.stop), (3, Stop::Boundary));
    assert_eq!(scanner.traffic().close_code, None);
}

#[test]
fn empty_fragments_count_as_idle_frames() {
    let frames = [
        Frame::part(TEXT, ""),
        Frame::part(CONTINUATION, ""),
        Frame::part(CONTINUATION, "x"),
        Frame::new(CONTINUATION, ""),
        Frame::new(PING, ""),
    ];
    let mut scanner = FrameScanner::new(Side::Upstream, &Limits::default());
    let bytes = encode(&frames, Side::Upstream);
    assert_eq!(scanner.scan(&bytes, Until::Drained).stop, Stop::Drained);
    assert_eq!(scanner.idle_frames(), 2);
}
