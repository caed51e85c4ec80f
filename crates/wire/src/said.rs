//! Text frames of our own that wait for a place between two messages.

/// Texts that may wait.
const TEXTS_MAX: usize = 16;

/// Bytes of text that may wait, over all texts.
const BYTES_MAX: usize = 64 * 1024;

/// First byte of a whole text message: FIN and opcode 1.
const TEXT: u8 = 0x81;

/// The frames, in order, ready for the wire.
#[derive(Debug, Default)]
pub(crate) struct Said {
    frames: Vec<u8>,
    texts: usize,
    text_bytes: usize,
}

impl Said {
    /// Adds a frame with `text`; false if there is no room for it.
    pub(crate) fn add(&mut self, text: &str) -> bool {
        if self.texts == TEXTS_MAX || text.len() > BYTES_MAX - self.text_bytes {
            return false;
        }
        self.texts += 1;
        self.text_bytes += text.len();
        self.frames.push(TEXT);
        match (u8::try_from(text.len()), u16::try_from(text.len())) {
            (Ok(short @ ..=125), _) => self.frames.push(short),
            (_, Ok(medium)) => {
                self.frames.push(126);
                self.frames.extend(medium.to_be_bytes());
            }
            _ => {
                self.frames.push(127);
                self.frames.extend(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            }
        }
        self.frames.extend(text.as_bytes());
        true
    }

    /// The bytes for the wire; not masked, as a server sends them.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_their_three_forms() {
        for (len, header) in [
            (0, &[0x81, 0][..]),
            (125, &[0x81, 125]),
            (126, &[0x81, 126, 0, 126]),
            (65_535, &[0x81, 126, 255, 255]),
            (65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut said = Said::default();
            assert!(said.add(&"x".repeat(len)));
            let bytes = said.into_bytes();
            assert_eq!(&bytes[..header.len()], header);
            assert_eq!(bytes.len(), header.len() + len);
        }
    }

    #[test]
    fn texts_and_bytes_are_bounded() {
        let mut said = Said::default();
        for _ in 0..TEXTS_MAX {
            assert!(said.add("x"));
        }
        assert!(!said.add(""));
        let mut said = Said::default();
        assert!(said.add(&"x".repeat(BYTES_MAX)));
        assert!(!said.add("x"));
        assert!(said.add(""));
    }
}
