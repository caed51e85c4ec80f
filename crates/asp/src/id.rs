//! Names of sessions and messages.

use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::{Builder, Uuid, Variant};

const SESSION_BYTES_MAX: usize = 64;
const PREFIX: &str = "ase_";
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A session's name: 1 to 64 of letters, digits, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(String);

/// Not a name of a session, or of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a well-formed id")]
pub struct BadId;

impl SessionId {
    /// A new one: `ase_` and 26 characters of a UUIDv7 in base 32, which sort by time.
    pub fn new(now: Millis, random: [u8; 10]) -> Self {
        let value = Builder::from_unix_timestamp_millis(now.0, &random).into_uuid().as_u128();
        let digit = |place: usize| {
            let bits = (value >> (5 * place)) & 31;
            usize::try_from(bits).ok().and_then(|bits| ALPHABET.get(bits)).map_or('0', |b| char::from(*b))
        };
        let digits: String = (0..26).rev().map(digit).collect();
        Self(format!("{PREFIX}{digits}"))
    }

    /// As it stands in frames.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SessionId {
    type Error = BadId;

    fn try_from(text: String) -> Result<Self, BadId> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        let good = (1..=SESSION_BYTES_MAX).contains(&text.len()) && text.bytes().all(fits);
        if good { Ok(Self(text)) } else { Err(BadId) }
    }
}

impl FromStr for SessionId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        Self::try_from(text.to_owned())
    }
}

impl From<SessionId> for String {
    fn from(id: SessionId) -> Self {
        id.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A message's name: a UUIDv7 (RFC 9562).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(Uuid);

impl MessageId {
    /// A new one.
    pub fn new(now: Millis, random: [u8; 10]) -> Self {
        Self(Builder::from_unix_timestamp_millis(now.0, &random).into_uuid())
    }

    /// When it was made.
    pub fn at(&self) -> Millis {
        // The first 48 bits.
        Millis(u64::try_from(self.0.as_u128() >> 80).unwrap_or_default())
    }
}

impl FromStr for MessageId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let id = Uuid::try_parse(text).map_err(|_| BadId)?;
        let good =
            id.get_version_num() == 7 && id.get_variant() == Variant::RFC4122 && id.to_string() == text;
        if good { Ok(Self(id)) } else { Err(BadId) }
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_by_time() {
        let (first, second) = (Millis(1_772_893_800_000), Millis(1_772_893_800_001));
        assert!(MessageId::new(first, [255; 10]) < MessageId::new(second, [0; 10]));
        assert!(SessionId::new(first, [255; 10]) < SessionId::new(second, [0; 10]));
        assert_eq!(SessionId::new(first, [7; 10]).as_str().len(), 30);
        let id = MessageId::new(first, [1; 10]);
        assert_eq!((id.to_string().parse(), id.at()), (Ok(id), first));
        assert!("019526a1-8f2a-7000-8000-000000000047".parse::<MessageId>().is_ok());
        for bad in [
            "",
            "019526a1-8f2a-4000-8000-000000000047",
            "019526A1-8f2a-7000-8000-000000000047",
            "019526a18f2a70008000000000000047",
            "019526a1-8f2a-7000-0000-000000000047",
        ] {
            assert_eq!(bad.parse::<MessageId>(), Err(BadId), "{bad}");
        }
        assert!("ase_abc123".parse::<SessionId>().is_ok());
        for bad in ["", "a/b", "a b", "\u{e9}", &"a".repeat(65)] {
            assert_eq!(bad.parse::<SessionId>(), Err(BadId), "{bad}");
        }
    }
}
