//! Close codes with their reason, and the frame that carries them (RFC 6455, section 5.5.1).

use std::borrow::Cow;

use tollwire_x402::close::CloseCode;

/// The longest reason a close frame has room for, in bytes: 125 of payload less the code.
pub(crate) const REASON_BYTES_MAX: usize = 123;

/// First byte of a close frame: FIN and opcode 8.
const CLOSE: u8 = 0x88;
/// The mask bit in a frame's second byte.
const MASKED: u8 = 0x80;

/// Why a stream ends: a code and a text for the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    code: u16,
    reason: Cow<'static, str>,
}

impl Close {
    /// A close with this code and reason; a reason over 123 bytes is cut at the last whole character.
    pub fn new(code: u16, reason: impl Into<Cow<'static, str>>) -> Self {
        let mut reason = reason.into();
        if reason.len() > REASON_BYTES_MAX {
            let end = reason.floor_char_boundary(REASON_BYTES_MAX);
            reason.to_mut().truncate(end);
        }
        Self { code, reason }
    }

    /// The code on the wire.
    pub const fn code(&self) -> u16 {
        self.code
    }

    /// The text for the peer, at most 123 bytes.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl From<CloseCode> for Close {
    fn from(code: CloseCode) -> Self {
        Self::new(code.code(), code.reason())
    }
}

/// An encoded close frame: at most 2 bytes of header, 4 of mask key and 125 of payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseFrame(Vec<u8>);

impl CloseFrame {
    /// The frame as a server sends it: not masked.
    pub fn unmasked(close: &Close) -> Self {
        Self::encode(close, None)
    }

    /// The frame as a client must send it: masked with `key`, which should be unpredictable (section 5.3).
    pub fn masked(close: &Close, key: [u8; 4]) -> Self {
        Self::encode(close, Some(key))
    }

    /// The bytes for the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn encode(close: &Close, key: Option<[u8; 4]>) -> Self {
        let code = close.code.to_be_bytes();
        // `Close` keeps the reason within 123 bytes, so that the length always fits its seven bits.
        let length = u8::try_from(code.len() + close.reason.len()).unwrap_or(125);
        let mut frame = Vec::with_capacity(6 + usize::from(length));
        frame.push(CLOSE);
        frame.push(length | if key.is_some() { MASKED } else { 0 });
        frame.extend(key.iter().flatten());
        let payload = code.iter().chain(close.reason.as_bytes());
        match key {
            None => frame.extend(payload),
            Some(key) => frame.extend(payload.zip(key.iter().cycle()).map(|(byte, mask)| byte ^ mask)),
        }
        Self(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unmasked_frame_is_code_and_reason() {
        let frame = CloseFrame::unmasked(&Close::new(1001, "bye"));
        assert_eq!(frame.as_bytes(), [0x88, 5, 0x03, 0xE9, b'b', b'y', b'e']);
    }

    #[test]
    fn the_masked_frame_unmasks_to_the_same_payload() {
        let key = [0x37, 0xFA, 0x21, 0x3D];
        let frame = CloseFrame::masked(&Close::new(1000, "done"), key);
        let bytes = frame.as_bytes();
        assert_eq!(bytes[..6], [0x88, 0x86, 0x37, 0xFA, 0x21, 0x3D]);
        let payload: Vec<u8> = bytes[6..].iter().zip(key.iter().cycle()).map(|(b, m)| b ^ m).collect();
        assert_eq!(payload, [0x03, 0xE8, b'd', b'o', b'n', b'e']);
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let close = Close::new(4008, "ü".repeat(100));
        assert_eq!(close.reason().len(), 122);
        let frame = CloseFrame::unmasked(&close);
        assert_eq!(frame.as_bytes().len(), 2 + 2 + 122);
        assert_eq!(frame.as_bytes()[1], 124);
    }

    #[test]
    fn the_exhausted_close_has_the_papers_words() {
        let close = Close::from(CloseCode::Exhausted);
        assert_eq!(close.code(), 4008);
        assert_eq!(close.reason(), "Session balance exhausted. Re-authorize via x402 to continue.");
    }
}
