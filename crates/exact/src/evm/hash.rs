//! Keccak-256 and the 32-byte words that the ABI encoding is made of.

use sha3::{Digest as _, Keccak256};

/// Keccak-256, as Ethereum uses it (not SHA3-256).
pub fn keccak256(data: &[u8]) -> [u8; 32] {
    Keccak256::digest(data).into()
}

/// Keccak-256 of words laid end to end: `keccak256(abi.encode(...))` for static types.
pub(super) fn keccak256_words(words: &[[u8; 32]]) -> [u8; 32] {
    keccak256(words.as_flattened())
}

/// A number as a big-endian 32-byte word.
pub(super) fn word(number: u64) -> [u8; 32] {
    let mut word = [0; 32];
    let (_, low) = word.split_at_mut(24);
    low.copy_from_slice(&number.to_be_bytes());
    word
}
