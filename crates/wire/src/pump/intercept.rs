//! Takes the messages that are for us out of what an agent sends.

use std::task::Context;

use crate::header::{HEADER_BYTES_MAX, Header, Kind};
use crate::{FrameScanner, Heard, Inbox, Side, Violation};

/// How the payload of a control message begins.
const PREFIX: &[u8; PREFIX_BYTES] = br#"{"type":"x402/"#;
const PREFIX_BYTES: usize = 14;

/// The most that stays undecided: a header, and all of the prefix but its last byte.
pub(super) const UNDECIDED_BYTES_MAX: usize = HEADER_BYTES_MAX + PREFIX_BYTES - 1;

/// The longest control message, in bytes of payload.
const MESSAGE_BYTES_MAX: u64 = 16 * 1024;

/// Frames looked at in one go. What passes may have to be looked at again when only a part of it is paid for.
const FRAMES_MAX: u32 = 1024;

/// First byte of a frame: reserved bits, and the opcode.
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0F;
const TEXT: u8 = 0x1;

/// Where bytes have to be cut.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// So many bytes are for the upstream.
    Pass(usize),
    /// So many bytes were for us.
    Taken(usize),
    /// It takes more bytes to say what these are.
    Undecided,
    /// The next frame is not allowed.
    Violation(Violation),
}

/// Where the frame at the start of some bytes goes.
enum Look {
    Pass(Header),
    Take(Header),
    Undecided,
    Violation(Violation),
}

/// Sits in front of the scanner, which follows only what passes; where that stands, it knows from there.
#[derive(Debug)]
pub(super) struct Interceptor {
    inbox: Inbox,
    /// A message for us that is not all there yet.
    message: Option<Message>,
    /// What the inbox has no room for yet.
    heard: Option<Heard>,
}

/// A message for us, as it comes.
#[derive(Debug, Default)]
struct Message {
    text: Vec<u8>,
    /// Payload bytes so far, by the headers.
    bytes: u64,
    /// The current frame: bytes still to come, and the mask key as it applies to the next of them.
    remaining: u64,
    key: [u8; 4],
    /// Whether the current frame is the last.
    fin: bool,
    flaw: Option<&'static str>,
}

impl Interceptor {
    pub(super) const fn new(inbox: Inbox) -> Self {
        Self { inbox, message: None, heard: None }
    }

    /// Puts the last message into the inbox; false if there is no room, and nothing more may be taken in.
    #[inline]
    pub(super) fn deliver(&mut self, cx: &mut Context<'_>) -> bool {
        self.heard.is_none() || self.inbox.take_from(cx, &mut self.heard)
    }

    /// Where to cut `bytes`, which follow what `scanner` has passed and what was taken.
    pub(super) fn cut(&mut self, scanner: &mut FrameScanner, bytes: &[u8]) -> Cut {
        if let Some(message) = self.message.as_mut().filter(|message| message.remaining > 0) {
            let taken = message.take(bytes);
            self.finish();
            return Cut::Taken(taken);
        }
        let mut at = usize::try_from(scanner.remaining()).unwrap_or(usize::MAX);
        let mut open = scanner.is_open();
        for _ in 0..FRAMES_MAX {
            let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) else {
                return Cut::Pass(bytes.len());
            };
            match self.look(scanner, rest, open) {
                Look::Pass(header) => {
                    if matches!(header.kind, Kind::Start | Kind::Continuation) {
                        open = !header.fin;
                    }
                    let payload = usize::try_from(header.payload).unwrap_or(usize::MAX);
                    at = at.saturating_add(header.size).saturating_add(payload);
                }
                _ if at > 0 => break,
                Look::Take(header) => return Cut::Taken(self.begin(scanner, &header, rest)),
                Look::Undecided => return Cut::Undecided,
                Look::Violation(violation) => return Cut::Violation(violation),
            }
        }
        Cut::Pass(at.min(bytes.len()))
    }

    /// Looks at the frame at the start of `bytes`; `open` says whether it comes inside a message that passes.
    fn look(&self, scanner: &FrameScanner, bytes: &[u8], open: bool) -> Look {
        let first = bytes.first().copied().unwrap_or_default();
        if first & RESERVED != 0 {
            return Look::Violation(Violation::ReservedBit);
        }
        let header = match Header::parse(bytes, Side::Agent) {
            Ok(Some(header)) => header,
            Ok(None) => return Look::Undecided,
            Err(violation) => return Look::Violation(violation),
        };
        match (header.kind, &self.message) {
            // A continuation of nothing is for the scanner to refuse.
            (Kind::Control | Kind::Close, _) | (Kind::Continuation, None) => Look::Pass(header),
            (Kind::Start, Some(_)) => Look::Violation(Violation::Interleaved),
            (Kind::Continuation, Some(message)) => {
                match scanner.exceeded(header.payload, message.bytes.saturating_add(header.payload)) {
                    Some(violation) => Look::Violation(violation),
                    None => Look::Take(header),
                }
            }
            (Kind::Start, None) => {
                let for_us = first & OPCODE == TEXT
                    && !open
                    && scanner.exceeded(header.payload, header.payload).is_none();
                if for_us { has_prefix(header, bytes) } else { Look::Pass(header) }
            }
        }
    }

    /// Begins a frame that is for us, and takes what is there of it.
    fn begin(&mut self, scanner: &mut FrameScanner, header: &Header, bytes: &[u8]) -> usize {
        let continues = self.message.is_some();
        if continues && !header.fin && header.payload == 0 {
            scanner.note_idle_frame();
        }
        let message = self.message.get_or_insert_default();
        message.bytes = message.bytes.saturating_add(header.payload);
        message.remaining = header.payload;
        message.key = header.key;
        message.fin = header.fin;
        if message.bytes > MESSAGE_BYTES_MAX {
            message.flaw.get_or_insert("longer than 16 KiB");
        }
        if continues || !header.fin {
            message.flaw.get_or_insert("fragmented");
        }
        let taken = message.take(bytes.get(header.size..).unwrap_or_default());
        self.finish();
        header.size + taken
    }

    /// If the message is all there, makes it ready to be heard.
    fn finish(&mut self) {
        let Some(message) = self.message.take_if(|message| message.fin && message.remaining == 0) else {
            return;
        };
        self.heard = Some(match message.flaw {
            Some(flaw) => Heard::Malformed(flaw),
            None => String::from_utf8(message.text).map_or(Heard::Malformed("not UTF-8"), Heard::Message),
        });
    }
}

impl Message {
    /// Takes what `bytes` have of the current frame, unmasked; says how many bytes that is.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let len = usize::try_from(self.remaining).map_or(bytes.len(), |remaining| remaining.min(bytes.len()));
        let payload = bytes.get(..len).unwrap_or_default();
        if self.flaw.is_some() {
            self.text = Vec::new();
        } else {
            let unmasked = payload.iter().zip(self.key.iter().cycle()).map(|(byte, mask)| byte ^ mask);
            self.text.extend(unmasked);
            self.key.rotate_left(len % 4);
        }
        self.remaining -= u64::try_from(len).unwrap_or(u64::MAX).min(self.remaining);
        len
    }
}

/// Whether a text message that begins at the start of `bytes` begins like a control message.
fn has_prefix(header: Header, bytes: &[u8]) -> Look {
    let wanted = usize::try_from(header.payload).map_or(PREFIX_BYTES, |payload| payload.min(PREFIX_BYTES));
    if header.fin && wanted < PREFIX_BYTES {
        return Look::Pass(header);
    }
    let payload = bytes.get(header.size..).unwrap_or_default();
    let seen = payload.len().min(wanted);
    let unmasked = payload.iter().zip(header.key.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    if !unmasked.take(seen).eq(PREFIX.iter().copied().take(seen)) {
        return Look::Pass(header);
    }
    if seen < wanted { Look::Undecided } else { Look::Take(header) }
}
