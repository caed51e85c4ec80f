//! Part of an answer that comes piece by piece.

/// A piece of text that may wait to be written, and grow meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// What it is part of; parts of the same belong together.
    pub(crate) of: String,
    pub(crate) text: String,
    /// Makes the frame, from what it is part of and its text.
    pub(crate) write: fn(&str, &str) -> String,
}

/// What a frame is long beside its text, in bytes, roughly.
const FRAME_BYTES: usize = 64;

impl Part {
    /// What it weighs while it waits.
    pub(crate) fn bytes(&self) -> usize {
        self.of.len().saturating_add(self.text.len()).saturating_add(FRAME_BYTES)
    }

    /// Takes another in, if it is of the same. How much heavier it is now.
    pub(crate) fn merge(&mut self, other: &Self) -> Option<usize> {
        if self.of != other.of {
            return None;
        }
        self.text.push_str(&other.text);
        Some(other.text.len())
    }

    pub(crate) fn into_frame(self) -> String {
        (self.write)(&self.of, &self.text)
    }
}
