//! How much an agent is trusted.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// From 0 to 100, in hundredths. In JSON a number: `72.5`, `91`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TrustScore(u16);

/// Not a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a trust score is a number from 0 to 100, with two decimals at most")]
pub struct BadScore;

impl TrustScore {
    /// The highest.
    pub const MAX: Self = Self(10_000);

    /// From hundredths: 7250 is 72.5.
    pub const fn from_hundredths(hundredths: u16) -> Option<Self> {
        if hundredths <= Self::MAX.0 { Some(Self(hundredths)) } else { None }
    }

    /// In hundredths.
    pub const fn hundredths(self) -> u16 {
        self.0
    }
}

impl FromStr for TrustScore {
    type Err = BadScore;

    fn from_str(text: &str) -> Result<Self, BadScore> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || fraction.len() > 2 {
            return Err(BadScore);
        }
        let number = |text: &str| text.parse::<u16>().map_err(|_| BadScore);
        let hundredths =
            if fraction.len() == 1 { number(fraction)?.saturating_mul(10) } else { number(fraction)? };
        let all = number(whole)?.saturating_mul(100).saturating_add(hundredths);
        Self::from_hundredths(all).ok_or(BadScore)
    }
}

/// As RFC 8785 writes the number.
impl fmt::Display for TrustScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 100, self.0 % 100);
        match (rest / 10, rest % 10) {
            (0, 0) => write!(f, "{whole}"),
            (tenths, 0) => write!(f, "{whole}.{tenths}"),
            (tenths, hundredths) => write!(f, "{whole}.{tenths}{hundredths}"),
        }
    }
}

impl Serialize for TrustScore {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number: serde_json::Number =
            self.to_string().parse().map_err(|_| serde::ser::Error::custom(BadScore))?;
        number.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for TrustScore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?.to_string();
        number.strip_suffix(".0").unwrap_or(&number).parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_written() {
        for (text, hundredths, written) in [
            ("72.5", 7250, "72.5"),
            ("91", 9100, "91"),
            ("0", 0, "0"),
            ("100", 10_000, "100"),
            ("7.05", 705, "7.05"),
            ("1.50", 150, "1.5"),
        ] {
            let score: TrustScore = text.parse().unwrap();
            assert_eq!((score.hundredths(), score.to_string().as_str()), (hundredths, written));
            assert_eq!(serde_json::to_string(&score).unwrap().trim_end_matches(".0"), written);
            assert_eq!(serde_json::from_str::<TrustScore>(text).unwrap(), score);
        }
        for bad in ["", "-1", "100.01", "1.234", "a", "1e1", ".5", "5.", "0x1"] {
            assert_eq!(bad.parse::<TrustScore>(), Err(BadScore), "{bad}");
        }
    }
}
