//! Ed25519 signatures.

use super::Error;
use std::fmt;
use std::str::FromStr;

/// The longest base58 text of 64 bytes.
const CHARS_MAX: usize = 88;

/// A signature: 64 bytes, written in base58. Reading it says nothing about who made it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// From its 64 bytes.
    pub const fn new(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// Its 64 bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bs58::encode(self.0.as_slice()).into_string())
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(..)")
    }
}

impl FromStr for Signature {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        base58::<64>(text, CHARS_MAX).map(Self).ok_or(Error::Signature)
    }
}

/// Exactly `N` bytes from base58. Decoding takes the square of the length, so that is bounded first.
pub(super) fn base58<const N: usize>(text: &str, chars_max: usize) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let within = text.len() <= chars_max;
    let written = within.then(|| bs58::decode(text).onto(&mut bytes).ok()).flatten()?;
    (written == N).then_some(bytes)
}
