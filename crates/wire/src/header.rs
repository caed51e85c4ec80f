//! One frame header (RFC 6455, section 5.2): 2 bytes, an extended length of 0, 2 or 8, a mask key of 0 or 4.

use crate::{Side, Violation};

/// The longest header: 2 bytes, 8 of length, 4 of mask key.
pub(crate) const HEADER_BYTES_MAX: usize = 14;

/// The longest payload of a control frame, in bytes (section 5.5).
const CONTROL_BYTES_MAX: u64 = 125;

const FIN: u8 = 0x80;
const OPCODE: u8 = 0x0F;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7F;
/// Opcodes from here on are control frames (section 5.2).
const CONTROL: u8 = 0x8;

/// What a frame is, as far as a proxy must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The first frame of a text or binary message.
    Start,
    /// A later frame of a message.
    Continuation,
    /// Ping or pong.
    Control,
    /// Close.
    Close,
}

/// A frame header that has passed every check that needs no memory of earlier frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    /// Whether this is the last frame of its message.
    pub(crate) fin: bool,
    /// Payload bytes that follow.
    pub(crate) payload: u64,
    /// The mask key; zeros if the sender does not mask, which unmasks to the same bytes.
    pub(crate) key: [u8; 4],
    /// Bytes the header itself takes.
    pub(crate) size: usize,
}

impl Header {
    /// Reads the header at the start of `bytes`, sent by `sender`; `None` if it is not all there yet.
    ///
    /// Reserved bits pass: they belong to extensions, which agent and upstream agree on between themselves.
    #[inline]
    pub(crate) fn parse(bytes: &[u8], sender: Side) -> Result<Option<Self>, Violation> {
        let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
        let masked = second & MASKED != 0;
        if masked != (sender == Side::Agent) {
            return Err(Violation::Mask);
        }
        let fin = first & FIN != 0;
        let kind = match first & OPCODE {
            0x0 => Kind::Continuation,
            0x1 | 0x2 => Kind::Start,
            0x8 => Kind::Close,
            0x9 | 0xA => Kind::Control,
            reserved => return Err(Violation::Opcode(reserved)),
        };
        let (payload, rest, size) = match second & LENGTH {
            126 => {
                let Some((length, rest)) = rest.split_first_chunk::<2>() else { return Ok(None) };
                (u64::from(u16::from_be_bytes(*length)), rest, 4)
            }
            127 => {
                let Some((length, rest)) = rest.split_first_chunk::<8>() else { return Ok(None) };
                (u64::from_be_bytes(*length), rest, 10)
            }
            short => (u64::from(short), rest, 2),
        };
        if payload > i64::MAX.unsigned_abs() {
            return Err(Violation::Length);
        }
        if first & CONTROL != 0 {
            if !fin {
                return Err(Violation::FragmentedControl);
            }
            if payload > CONTROL_BYTES_MAX {
                return Err(Violation::LongControl);
            }
        }
        if !masked {
            return Ok(Some(Self { kind, fin, payload, key: [0; 4], size }));
        }
        let Some((key, _)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        Ok(Some(Self { kind, fin, payload, key: *key, size: size + 4 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(bytes: &[u8]) -> Result<Option<Header>, Violation> {
        Header::parse(bytes, Side::Upstream)
    }

    #[test]
    fn the_three_lengths() {
        let short = upstream(&[0x81, 5]).unwrap().unwrap();
        assert_eq!((short.kind, short.fin, short.payload, short.size), (Kind::Start, true, 5, 2));
        let medium = upstream(&[0x02, 126, 0x01, 0x00]).unwrap().unwrap();
        assert_eq!((medium.fin, medium.payload, medium.size), (false, 256, 4));
        let long = upstream(&[0x80, 127, 0, 0, 0, 0, 0, 1, 0, 0]).unwrap().unwrap();
        assert_eq!((long.kind, long.payload, long.size), (Kind::Continuation, 65_536, 10));
    }

    #[test]
    fn every_proper_prefix_is_incomplete() {
        let masked = [0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0, 9, 8, 7, 6];
        for end in 0..masked.len() {
            assert_eq!(Header::parse(&masked[..end], Side::Agent), Ok(None), "{end} bytes");
        }
        let header = Header::parse(&masked, Side::Agent).unwrap().unwrap();
        assert_eq!((header.key, header.size), ([9, 8, 7, 6], HEADER_BYTES_MAX));
    }

    #[test]
    fn agents_mask_and_upstreams_do_not() {
        assert_eq!(Header::parse(&[0x81, 0x00], Side::Agent), Err(Violation::Mask));
        assert_eq!(upstream(&[0x81, 0x80]), Err(Violation::Mask));
    }

    #[test]
    fn reserved_bits_pass_and_reserved_opcodes_do_not() {
        assert!(upstream(&[0xC1, 0]).unwrap().is_some());
        assert!(upstream(&[0xF1, 0]).unwrap().is_some());
        for opcode in (0x3..=0x7).chain(0xB..=0xF) {
            assert_eq!(upstream(&[0x80 | opcode, 0]), Err(Violation::Opcode(opcode)));
        }
    }

    #[test]
    fn control_frames_are_short_and_whole() {
        assert!(upstream(&[0x89, 125]).unwrap().is_some());
        assert_eq!(upstream(&[0x89, 126, 0, 126]), Err(Violation::LongControl));
        assert_eq!(upstream(&[0x09, 0]), Err(Violation::FragmentedControl));
        assert_eq!(upstream(&[0x08, 0]), Err(Violation::FragmentedControl));
    }

    #[test]
    fn a_length_of_64_bits_has_a_clear_top_bit() {
        assert_eq!(upstream(&[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]), Err(Violation::Length));
        let largest = upstream(&[0x82, 127, 0x7F, 255, 255, 255, 255, 255, 255, 255]).unwrap().unwrap();
        assert_eq!(largest.payload, i64::MAX.unsigned_abs());
    }
}
