//! Names of sessions, jobs and agents, and times as text.

use crate::store::StoreError;
use sha2::{Digest as _, Sha256};
use tollwire_ledger::Timestamp;

/// A random UUID, version 4.
pub(super) fn fresh() -> Result<String, StoreError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| StoreError::Unavailable(format!("no randomness: {error}")))?;
    Ok(uuid(bytes))
}

/// The same one for the same text.
pub(super) fn named(text: &str) -> String {
    let hash: [u8; 32] = Sha256::digest(text).into();
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    uuid(bytes)
}

fn uuid(bytes: [u8; 16]) -> String {
    let mut bytes = bytes;
    bytes[6] = (bytes[6] & 0x0F) | 0x40;
    bytes[8] = (bytes[8] & 0x3F) | 0x80;
    let hex = hex::encode(bytes);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

/// A time as RFC 3339 text.
pub(super) fn time(at: Timestamp) -> String {
    tollwire_asp::Millis(at.millis()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollwire_x402::SessionId;

    #[test]
    fn names_are_uuids_and_those_of_texts_stay() {
        assert!(fresh().unwrap().parse::<SessionId>().is_ok());
        assert_ne!(fresh().unwrap(), fresh().unwrap());
        assert_eq!(named("a"), named("a"));
        assert!(named("a") != named("b") && named("a").parse::<SessionId>().is_ok());
        assert_eq!(time(Timestamp::from_millis(1_772_893_830_000)), "2026-03-07T14:30:30.000Z");
    }
}
