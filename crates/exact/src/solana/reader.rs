//! Reading bytes that anybody may have made up.

/// A cursor over untrusted bytes; every step says whether there was enough.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// The next byte.
    pub(super) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A compact-u16: seven bits a byte, lowest first, in as few bytes as can hold it. Solana itself refuses longer
    /// forms, with which one message would have several texts.
    pub(super) fn length(&mut self) -> Option<usize> {
        let mut value = 0_usize;
        for at in 0..3_u32 {
            let byte = self.byte()?;
            let (low, more) = (usize::from(byte & 0x7f), byte & 0x80 != 0);
            value |= low << (7 * at);
            if more {
                continue;
            }
            let shortest = at == 0 || low != 0;
            return (shortest && u16::try_from(value).is_ok()).then_some(value);
        }
        None
    }

    /// What is left.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }
}

/// Writes a compact-u16; `None` if it is too large for one.
pub(super) fn write_length(into: &mut Vec<u8>, length: usize) -> Option<()> {
    let mut rest = u16::try_from(length).ok()?;
    loop {
        let low = u8::try_from(rest & 0x7f).ok()?;
        rest >>= 7;
        if rest == 0 {
            into.push(low);
            return Some(());
        }
        into.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_has_one_form() {
        for length in 0..=usize::from(u16::MAX) {
            let mut bytes = Vec::new();
            write_length(&mut bytes, length).unwrap();
            let mut reader = Reader::new(&bytes);
            assert_eq!((reader.length(), reader.rest().len()), (Some(length), 0));
        }
        assert_eq!(write_length(&mut Vec::new(), 65_536), None);
        for bytes in [
            &[0x80, 0x00][..],
            &[0xff, 0x00],
            &[0x80, 0x80, 0x00],
            &[0x80, 0x80, 0x04],
            &[0xff, 0xff, 0x83],
            &[0x80],
            &[],
        ] {
            assert_eq!(Reader::new(bytes).length(), None, "{bytes:02x?}");
        }
    }
}
