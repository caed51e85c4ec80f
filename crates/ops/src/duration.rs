//! Durations as people write them: `500ms`, `2s`, `30m`, `24h`, `30d`.

use serde::{Deserialize, Deserializer};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A duration from a configuration file: a whole number and one of ms, s, m, h, d.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HumanDuration(pub Duration);

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl FromStr for HumanDuration {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str = "write a whole number and a unit: ms, s, m, h or d, such as 30s";
        let split = text.find(|c: char| !c.is_ascii_digit()).ok_or(RULE)?;
        let (number, unit) = text.split_at(split);
        let number: u64 = number.parse().map_err(|_| RULE)?;
        let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit).ok_or(RULE)?;
        number.checked_mul(*millis).map(|total| Self(Duration::from_millis(total))).ok_or("too long")
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let (name, size) = UNITS
            .iter()
            .rev()
            .find(|(_, size)| millis.is_multiple_of(u128::from(*size)))
            .copied()
            .unwrap_or(("ms", 1));
        write!(f, "{}{name}", millis / u128::from(size))
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_each_unit() {
        for (text, millis) in
            [("500ms", 500), ("2s", 2_000), ("30m", 1_800_000), ("36h", 129_600_000), ("30d", 2_592_000_000)]
        {
            let duration: HumanDuration = text.parse().unwrap();
            assert_eq!(duration.0, Duration::from_millis(millis));
            assert_eq!(duration.to_string(), text);
        }
    }

    #[test]
    fn refuses_what_has_no_unit_or_no_number() {
        for text in
            ["", "5", "s", "1.5s", "-1s", "5 s", "5w", "99999999999999999999s", "18446744073709551615d"]
        {
            assert!(text.parse::<HumanDuration>().is_err(), "{text:?}");
        }
    }
}
