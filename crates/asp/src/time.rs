//! Times as RFC 3339 text.

use std::fmt;
use std::time::Duration;

/// A time, in milliseconds since 1970-01-01T00:00:00Z. Written as `2026-03-07T14:30:00.000Z`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Millis(pub u64);

/// The last one that has four digits of year.
const MILLIS_MAX: u64 = 253_402_300_799_999;

const DAY: u64 = 86_400;

impl Millis {
    /// This much later.
    #[must_use]
    pub const fn after(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// How long until `later`; nothing if it is not later.
    pub const fn until(self, later: Self) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0))
    }

    /// Reads RFC 3339 text, with any offset; what is finer than a millisecond is cut off. `None` if it is none, or lies
    /// before 1970.
    pub fn read(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let number = |from: usize, to: usize| -> Option<u64> {
            let digits = text.get(from..to)?;
            digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
        };
        let at = |(place, any): (usize, &[u8])| bytes.get(place).is_some_and(|b| any.contains(b));
        let marks: [(usize, &[u8]); 5] = [(4, b"-"), (7, b"-"), (10, b"Tt"), (13, b":"), (16, b":")];
        if !marks.into_iter().all(at) {
            return None;
        }
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        if !(1..=12).contains(&month)
            || day == 0
            || day > days_of(year, month)
            || hour > 23
            || minute > 59
            || second > 60
        {
            return None;
        }
        let (millis, zone) = fraction(text.get(19..)?)?;
        let (before, offset) = offset(zone)?;
        let local = days_before(year, month, day)? * DAY + hour * 3600 + minute * 60 + second.min(59);
        let secs = if before { local.checked_sub(offset) } else { local.checked_add(offset) }?;
        Some(Self(secs.checked_mul(1000)?.checked_add(millis)?))
    }

    /// Reads text in the one form that envelopes have: UTC, with milliseconds.
    pub fn read_exact(text: &str) -> Option<Self> {
        Self::read(text).filter(|at| at.to_string() == text)
    }
}

/// Milliseconds of `.123`, and what comes after them.
fn fraction(rest: &str) -> Option<(u64, &str)> {
    let Some(rest) = rest.strip_prefix('.') else { return Some((0, rest)) };
    let end = rest.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, zone) = rest.split_at(end);
    let first = format!("{:0<3}", digits.get(..3).unwrap_or(digits));
    if digits.is_empty() { None } else { Some((first.parse().ok()?, zone)) }
}

/// Whether local time is ahead of UTC, and by how many seconds it differs.
fn offset(zone: &str) -> Option<(bool, u64)> {
    if matches!(zone, "Z" | "z") {
        return Some((true, 0));
    }
    let (sign, rest) = (zone.get(..1)?, zone.get(1..)?);
    let (hours, minutes) = rest.split_once(':')?;
    let two = |text: &str| {
        (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse::<u64>().ok())?
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    let ahead = match sign {
        "+" => true,
        "-" => false,
        _ => return None,
    };
    (hours <= 23 && minutes <= 59).then_some((ahead, hours * 3600 + minutes * 60))
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_of(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date.
fn days_before(year: u64, month: u64, day: u64) -> Option<u64> {
    let leaps = |year: u64| year / 4 - year / 100 + year / 400;
    let past = year.checked_sub(1970)? * 365 + leaps(year - 1) - leaps(1969);
    let months: u64 = (1..month).map(|month| days_of(year, month)).sum();
    Some(past + months + day - 1)
}

/// Year, month and day of a day since 1970-01-01.
fn civil(days: u64) -> (u64, u64, u64) {
    // Eras of 400 years that begin on 1 March, so that the leap day is the last of its year.
    let days = days.saturating_add(719_468);
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.min(MILLIS_MAX);
        let (secs, rest) = (millis / 1000, millis % 1000);
        let (year, month, day) = civil(secs / DAY);
        let (hour, minute, second) = (secs % DAY / 3600, secs / 60 % 60, secs % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{rest:03}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_times() {
        for (text, millis) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2000-02-29T00:00:00.000Z", 951_782_400_000),
            ("2026-03-07T14:30:00.000Z", 1_772_893_800_000),
            ("9999-12-31T23:59:59.999Z", MILLIS_MAX),
        ] {
            assert_eq!(Millis::read_exact(text), Some(Millis(millis)), "{text}");
        }
        for same in ["2026-03-07T14:30:00Z", "2026-03-07t15:30:00+01:00", "2026-03-07T09:00:00.0004-05:30"] {
            assert_eq!(Millis::read(same), Some(Millis(1_772_893_800_000)), "{same}");
            assert_eq!(Millis::read_exact(same), None, "{same}");
        }
        for bad in [
            "",
            "2026-03-07",
            "2026-02-30T00:00:00Z",
            "2026-03-07T24:00:00Z",
            "2026-03-07T14:30:00",
            "2026-03-07T14:30:00.Z",
            "1969-12-31T23:59:59Z",
            "2026-03-07T14:30:00+1:00",
            "2026-03-07 14:30:00Z",
            "+026-03-07T14:30:00Z",
        ] {
            assert_eq!(Millis::read(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn written_and_read_again(millis in 0..=MILLIS_MAX) {
            let text = Millis(millis).to_string();
            prop_assert_eq!(text.len(), 24);
            prop_assert_eq!(Millis::read_exact(&text), Some(Millis(millis)));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = Millis::read(&text);
        }
    }
}
