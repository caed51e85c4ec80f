//! As much of the contract ABI as the helpers need.

use crate::Error;
use sha3::{Digest, Keccak256};

/// One argument.
pub(super) enum Arg<'a> {
    /// An address in hex.
    Address(&'a str),
    /// An unsigned integer.
    Uint(u128),
    /// 32 bytes.
    Word([u8; 32]),
    /// `string` or `bytes`.
    Bytes(&'a [u8]),
    /// `address[]` without an element.
    NoAddresses,
}

pub(super) fn keccak(bytes: &[u8]) -> [u8; 32] {
    Keccak256::digest(bytes).into()
}

/// Calldata of `signature`, such as `mint(address,uint256)`.
pub(super) fn encode(signature: &str, args: &[Arg<'_>]) -> Result<Vec<u8>, Error> {
    let mut calldata = keccak(signature.as_bytes()).get(..4).unwrap_or_default().to_vec();
    calldata.extend(arguments(args)?);
    Ok(calldata)
}

/// Head and tail of the arguments alone, as a constructor takes them.
pub(super) fn arguments(args: &[Arg<'_>]) -> Result<Vec<u8>, Error> {
    let (mut head, mut tail) = (Vec::new(), Vec::new());
    let head_length = args.len().saturating_mul(32);
    for arg in args {
        match arg {
            Arg::Address(text) => head.extend(address_word(text)?),
            Arg::Uint(value) => head.extend(uint_word(*value)),
            Arg::Word(word) => head.extend(word),
            Arg::Bytes(_) | Arg::NoAddresses => {
                head.extend(length_word(head_length.saturating_add(tail.len())));
                let bytes = if let Arg::Bytes(bytes) = arg { *bytes } else { &[] };
                tail.extend(length_word(bytes.len()));
                tail.extend(bytes);
                tail.resize(tail.len().next_multiple_of(32), 0);
            }
        }
    }
    head.extend(tail);
    Ok(head)
}

pub(super) fn address_word(text: &str) -> Result<[u8; 32], Error> {
    let mut word = [0; 32];
    let (_, low) = word.split_at_mut(12);
    hex::decode_to_slice(text.trim_start_matches("0x"), low)
        .map_err(|error| crate::rpc::wrong("address", format!("{text}: {error}")))?;
    Ok(word)
}

pub(super) fn uint_word(value: u128) -> [u8; 32] {
    let mut word = [0; 32];
    word.split_at_mut(16).1.copy_from_slice(&value.to_be_bytes());
    word
}

fn length_word(length: usize) -> [u8; 32] {
    uint_word(u128::try_from(length).unwrap_or(u128::MAX))
}

/// `0x` and hex.
pub(super) fn hex0x(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}
