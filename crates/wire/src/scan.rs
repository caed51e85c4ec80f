//! Follows the frames of one direction without touching a byte.

use tollwire_x402::close::CloseCode;

use crate::header::{Header, Kind};
use crate::tally::{Free, Tally};
use crate::{Limits, Side, Traffic};

/// The code that stands for "a Close frame without a code" (RFC 6455, section 7.1.5).
const NO_CODE: u16 = 1005;

/// The longest payload whose length stands in a frame's second byte.
const SHORT_BYTES_MAX: u64 = 125;

/// How a side broke the protocol or a size limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A client frame without mask or a server frame with one (RFC 6455, section 5.1).
    #[error("frame masked the wrong way")]
    Mask,
    /// An opcode nobody has defined (section 5.2).
    #[error("reserved opcode {0:#x}")]
    Opcode(u8),
    /// A payload length with the top bit set (section 5.2).
    #[error("payload length over 63 bits")]
    Length,
    /// A control frame of more than 125 bytes (section 5.5).
    #[error("control frame over 125 bytes")]
    LongControl,
    /// A control frame without FIN (section 5.5).
    #[error("fragmented control frame")]
    FragmentedControl,
    /// A continuation frame with no message to continue (section 5.4).
    #[error("continuation without a message")]
    Continuation,
    /// A new message inside a fragmented one (section 5.4).
    #[error("message inside a fragmented message")]
    Interleaved,
    /// A reserved bit, from an agent whose control messages are taken out (section 5.2): see
    /// [`Pump::intercept`](crate::Pump::intercept).
    #[error("reserved bit set")]
    ReservedBit,
    /// A frame over `Limits::frame_bytes_max`.
    #[error("frame too big")]
    FrameTooBig,
    /// A message over `Limits::message_bytes_max`.
    #[error("message too big")]
    MessageTooBig,
}

impl Violation {
    /// What the violator is told: 1009 for size, 1002 for the rest.
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::FrameTooBig | Self::MessageTooBig => CloseCode::TooBig,
            _ => CloseCode::ProtocolError,
        }
    }
}

/// Where a scan should stop early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Nowhere: take all there is.
    Drained,
    /// At the first frame boundary, which may be right here.
    Frame,
    /// At the first boundary between messages, which may be right here.
    Message,
    /// In front of a Close frame.
    Close,
}

/// Why a scan stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Stop {
    /// Everything that could be judged has been. What is left, if anything, is an incomplete header of fewer
    /// than 14 bytes: it must not be passed on yet, and comes again in front of later bytes.
    Drained,
    /// The boundary asked for.
    Boundary,
    /// The end of a Close frame; a side sends nothing after it.
    Close,
    /// The next frame is not allowed; nothing of it may be passed on.
    Violation(Violation),
    /// The next frame is not covered by the [`Allowance`](crate::Allowance); nothing of it may be passed on yet.
    /// Only where there is one.
    Uncovered,
}

/// What a scan found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Scan {
    /// How many of the bytes may be passed on.
    pub passed: usize,
    /// Why no more.
    pub stop: Stop,
}

/// Follows the frames one side sends: checks every header, counts, and finds boundaries and the Close frame.
///
/// A pure state machine: bytes in, verdict out. Headers are judged whole, so that a frame can still be refused
/// before its first byte has been passed on.
///
/// ```
/// use tollwire_wire::{FrameScanner, Limits, Scan, Side, Stop, Until};
/// let mut scanner = FrameScanner::new(Side::Upstream, &Limits::default());
/// // A text frame "hi", and half a header.
/// let scan = scanner.scan(&[0x81, 2, b'h', b'i', 0x82], Until::Drained);
/// assert_eq!(scan, Scan { passed: 4, stop: Stop::Drained });
/// assert_eq!(scanner.traffic().messages, 1);
/// ```
#[derive(Debug, Clone)]
pub struct FrameScanner {
    sender: Side,
    /// Whether a fragmented message is open.
    open: bool,
    /// The Close frame being read.
    closing: Option<ClosePayload>,
    /// Payload bytes of the current frame still to come.
    remaining: u64,
    /// Payload bytes of the current message so far, by its headers.
    message_bytes: u64,
    frame_bytes_max: u64,
    message_bytes_max: u64,
    /// Frames that carry no data, for rate limits: control frames and empty continuations.
    idle_frames: u64,
    traffic: Traffic,
}

/// The head of a Close frame's payload, unmasked as it comes.
#[derive(Debug, Clone, Copy)]
struct ClosePayload {
    key: [u8; 4],
    seen: usize,
    code: [u8; 2],
}

impl FrameScanner {
    /// A scanner for what `sender` sends: agents mask, upstreams do not.
    pub fn new(sender: Side, limits: &Limits) -> Self {
        Self {
            sender,
            open: false,
            closing: None,
            remaining: 0,
            message_bytes: 0,
            frame_bytes_max: limits.frame_bytes_max,
            message_bytes_max: limits.message_bytes_max,
            idle_frames: 0,
            traffic: Traffic::default(),
        }
    }

    /// Judges `bytes`, which follow what was passed before, up to the stop asked for.
    pub fn scan(&mut self, bytes: &[u8], until: Until) -> Scan {
        self.scan_within(bytes, until, &mut Free)
    }

    /// The same, as far as `tally` admits frames.
    #[inline]
    pub(crate) fn scan_within<T: Tally>(&mut self, bytes: &[u8], until: Until, tally: &mut T) -> Scan {
        let mut passed = 0;
        let stop = loop {
            let rest = bytes.get(passed..).unwrap_or_default();
            if self.remaining > 0 {
                let step = usize::try_from(self.remaining).map_or(rest.len(), |n| n.min(rest.len()));
                self.read_close(rest, step);
                self.remaining -= wide(step);
                passed += step;
                if self.remaining > 0 {
                    break Stop::Drained;
                }
                continue;
            }
            if self.closing.is_some() {
                self.finish_close();
            }
            if self.traffic.close_code.is_some() {
                break Stop::Close;
            }
            if self.at(until) {
                break Stop::Boundary;
            }
            if !self.open {
                let skimmed = self.skim(rest, until, tally);
                if skimmed > 0 {
                    passed += skimmed;
                    continue;
                }
            }
            match Header::parse(rest, self.sender) {
                Ok(None) => break Stop::Drained,
                Ok(Some(header)) if header.kind == Kind::Close && until == Until::Close => {
                    break Stop::Boundary;
                }
                Ok(Some(header)) => match self.begin(&header, tally) {
                    Ok(true) => passed += header.size,
                    Ok(false) => break Stop::Uncovered,
                    Err(violation) => break Stop::Violation(violation),
                },
                Err(violation) => break Stop::Violation(violation),
            }
        };
        self.traffic.bytes += wide(passed);
        Scan { passed, stop }
    }

    /// Whether what was passed on ends between two frames.
    pub const fn at_frame_boundary(&self) -> bool {
        self.remaining == 0
    }

    /// Whether what was passed on ends between two messages.
    pub const fn at_message_boundary(&self) -> bool {
        self.remaining == 0 && !self.open
    }

    /// What was passed on so far.
    pub const fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Frames so far that carried no data: control frames, and empty fragments in the middle of a message.
    pub const fn idle_frames(&self) -> u64 {
        self.idle_frames
    }

    /// Bytes of the current frame that are still to come.
    pub(crate) const fn remaining(&self) -> u64 {
        self.remaining
    }

    /// Whether a fragmented message is open.
    pub(crate) const fn is_open(&self) -> bool {
        self.open
    }

    /// Counts a frame without data that somebody else has taken out of the bytes.
    pub(crate) const fn note_idle_frame(&mut self) {
        self.idle_frames += 1;
    }

    /// Whether `payload` is too much for one frame, or `message` for all frames of a message.
    pub(crate) const fn exceeded(&self, payload: u64, message: u64) -> Option<Violation> {
        if payload > self.frame_bytes_max {
            return Some(Violation::FrameTooBig);
        }
        if message > self.message_bytes_max {
            return Some(Violation::MessageTooBig);
        }
        None
    }

    pub(crate) const fn at(&self, until: Until) -> bool {
        match until {
            Until::Drained | Until::Close => false,
            Until::Frame => self.at_frame_boundary(),
            Until::Message => self.at_message_boundary(),
        }
    }

    /// Passes whole short messages of one frame each, which is what most feeds are made of; says how many bytes
    /// they take. It does what [`begin`](Self::begin) does for them, at a fraction of the cost.
    #[inline]
    fn skim<T: Tally>(&mut self, bytes: &[u8], until: Until, tally: &mut T) -> usize {
        if until != Until::Drained || SHORT_BYTES_MAX > self.frame_bytes_max.min(self.message_bytes_max) {
            return 0;
        }
        let (mask, header) = match self.sender {
            Side::Agent => (0x80, 6),
            Side::Upstream => (0, 2),
        };
        let room = tally.room();
        let bytes = usize::try_from(room.bytes).ok().and_then(|most| bytes.get(..most)).unwrap_or(bytes);
        // Mostly there is room for more messages than so few bytes can be; then nobody counts on the way.
        let (at, messages) = if !T::COUNTS || room.messages >= wide(bytes.len() / header) {
            short_messages::<false>(bytes, mask, header, 0)
        } else {
            short_messages::<true>(bytes, mask, header, room.messages)
        };
        self.traffic.messages += messages;
        self.traffic.data_frames += messages;
        tally.skimmed(messages, wide(at));
        at
    }

    /// Begins the next frame; false if it is not covered.
    #[inline]
    fn begin<T: Tally>(&mut self, header: &Header, tally: &mut T) -> Result<bool, Violation> {
        let message_bytes = match (header.kind, self.open) {
            (Kind::Start, false) => header.payload,
            (Kind::Continuation, true) => self.message_bytes.saturating_add(header.payload),
            (Kind::Start, true) => return Err(Violation::Interleaved),
            (Kind::Continuation, false) => return Err(Violation::Continuation),
            (Kind::Control | Kind::Close, _) => {
                let covered = tally.admit_control();
                if covered {
                    self.begin_control(header);
                }
                return Ok(covered);
            }
        };
        if let Some(violation) = self.exceeded(header.payload, message_bytes) {
            return Err(violation);
        }
        if !tally.admit(header, self.open.then_some(self.message_bytes), message_bytes) {
            return Ok(false);
        }
        if self.open && !header.fin && header.payload == 0 {
            self.idle_frames += 1;
        }
        self.traffic.data_frames += 1;
        self.traffic.messages += u64::from(!self.open);
        self.message_bytes = message_bytes;
        self.open = !header.fin;
        self.remaining = header.payload;
        Ok(true)
    }

    fn begin_control(&mut self, header: &Header) {
        self.traffic.control_frames += 1;
        self.idle_frames += 1;
        self.remaining = header.payload;
        if header.kind == Kind::Close {
            self.closing = Some(ClosePayload { key: header.key, seen: 0, code: [0; 2] });
        }
    }

    /// If a Close frame is being read, takes what it can of the code from the first `step` bytes.
    #[inline]
    fn read_close(&mut self, payload: &[u8], step: usize) {
        let Some(close) = &mut self.closing else { return };
        for byte in payload.iter().take(step) {
            let (Some(slot), Some(mask)) = (close.code.get_mut(close.seen), close.key.get(close.seen)) else {
                return;
            };
            *slot = byte ^ mask;
            close.seen += 1;
        }
    }

    fn finish_close(&mut self) {
        let Some(close) = self.closing.take() else { return };
        let code = if close.seen == close.code.len() { u16::from_be_bytes(close.code) } else { NO_CODE };
        self.traffic.close_code = Some(code);
    }
}

/// Whole short messages of one frame each at the beginning of `bytes`, if `BOUNDED` at most `most` of them: the bytes they
/// take, and how many they are. `mask` is the mask bit their headers bear, `header` the length of those.
#[inline]
fn short_messages<const BOUNDED: bool>(bytes: &[u8], mask: u8, header: usize, most: u64) -> (usize, u64) {
    let (mut at, mut messages) = (0, 0);
    while let Some(&[first, second]) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        // Text or binary with FIN, masked as it should be; reserved bits are not ours to judge.
        let length = usize::from(second ^ mask);
        let next = at + header + length;
        if !matches!(first & 0x8F, 0x81 | 0x82) || length >= 0x7E || next > bytes.len() {
            break;
        }
        if BOUNDED && messages == most {
            break;
        }
        at = next;
        messages += 1;
    }
    (at, messages)
}

/// A length in memory as a count of bytes on the wire.
#[inline]
fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
