//! Money: USDC in integer atomic units.

use crate::Error;
use std::fmt;
use std::str::FromStr;

/// An amount of USDC in atomic units (one millionth of a dollar), from 0 to [`Usdc::MAX`].
///
/// Arithmetic is checked; there is no float anywhere. [`Display`](fmt::Display) writes dollars with two to six
/// decimals (`$10.00`, `$0.000001`), [`FromStr`] reads plain dollars (`0.01`). On the x402 wire amounts travel
/// as decimal strings of atomic units: [`Usdc::parse_atomic`], [`Usdc::atomic`], and serde.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Usdc(u64);

const ATOMIC_PER_DOLLAR: u64 = 1_000_000;
const DECIMALS: usize = 6;

impl Usdc {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount: 2^53 - 1 atomic units, about nine billion dollars. Redis scripts compute in doubles,
    /// which are exact only up to here.
    pub const MAX: Self = Self((1 << 53) - 1);

    /// An amount of atomic units, if it is at most [`Usdc::MAX`].
    pub const fn from_atomic(atomic: u64) -> Option<Self> {
        if atomic <= Self::MAX.0 { Some(Self(atomic)) } else { None }
    }

    /// The amount in atomic units.
    pub const fn atomic(self) -> u64 {
        self.0
    }

    /// Reads a decimal string of atomic units, as x402 messages carry them: digits only, no leading zeros
    /// beyond a single `0`.
    pub fn parse_atomic(text: &str) -> Result<Self, Error> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Error::Amount("an atomic amount is a string of digits"));
        }
        if text.len() > 1 && text.starts_with('0') {
            return Err(Error::Amount("an atomic amount has no leading zeros"));
        }
        let atomic = text.parse().map_err(|_| Error::Amount("too large"))?;
        Self::from_atomic(atomic).ok_or(Error::Amount("too large"))
    }

    /// The sum, unless it exceeds [`Usdc::MAX`].
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).and_then(Self::from_atomic)
    }

    /// The difference, unless it is negative.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The amount times a count, unless it exceeds [`Usdc::MAX`].
    pub fn checked_mul(self, count: u64) -> Option<Self> {
        self.0.checked_mul(count).and_then(Self::from_atomic)
    }

    /// `floor(amount * bps / 10_000)`: a share in basis points, rounded down. None if `bps` exceeds 10,000.
    pub fn share_bps(self, bps: u16) -> Option<Self> {
        if bps > 10_000 {
            return None;
        }
        let share = u128::from(self.0).checked_mul(u128::from(bps))?.checked_div(10_000)?;
        u64::try_from(share).ok().map(Self)
    }
}

impl FromStr for Usdc {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) {
            return Err(Error::Amount("unexpected character"));
        }
        if fraction.len() > DECIMALS {
            return Err(Error::Amount("more than six decimals"));
        }
        let whole: u64 = whole.parse().map_err(|_| Error::Amount("too large"))?;
        let fraction: u64 =
            format!("{fraction:0<DECIMALS$}").parse().map_err(|_| Error::Amount("too large"))?;
        whole
            .checked_mul(ATOMIC_PER_DOLLAR)
            .and_then(|atomic| atomic.checked_add(fraction))
            .and_then(Self::from_atomic)
            .ok_or(Error::Amount("too large"))
    }
}

impl fmt::Display for Usdc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fraction = format!("{:06}", self.0 % ATOMIC_PER_DOLLAR);
        let kept = fraction.trim_end_matches('0').len().max(2);
        write!(f, "${}.{}", self.0 / ATOMIC_PER_DOLLAR, fraction.get(..kept).unwrap_or(&fraction))
    }
}

/// Serde writes and reads the decimal string of atomic units that x402 messages carry, never dollars.
impl serde::Serialize for Usdc {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Usdc {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse_atomic(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_dollars_and_writes_two_to_six_decimals() {
        for (text, atomic, shown) in [
            ("10", 10_000_000, "$10.00"),
            ("0.01", 10_000, "$0.01"),
            ("0.000001", 1, "$0.000001"),
            ("1.5", 1_500_000, "$1.50"),
            ("0.125", 125_000, "$0.125"),
            ("0", 0, "$0.00"),
        ] {
            let usdc: Usdc = text.parse().unwrap();
            assert_eq!((usdc.atomic(), usdc.to_string().as_str()), (atomic, shown), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_plain_amount() {
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e6",
            "0.0000001",
            "1,5",
            " 1",
            "٣",
            "9007199254.740992",
            "0x10",
        ] {
            assert!(text.parse::<Usdc>().is_err(), "{text:?}");
        }
        for text in ["", "01", "-1", "1.0", "1e3", "9007199254740992", "18446744073709551616"] {
            assert!(Usdc::parse_atomic(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_largest_amount_is_exact_in_a_double() {
        assert_eq!("9007199254.740991".parse(), Ok(Usdc::MAX));
        assert_eq!(Usdc::MAX.checked_add(Usdc(1)), None);
        assert_eq!(Usdc::MAX.checked_mul(2), None);
        assert_eq!(Usdc::ZERO.checked_sub(Usdc(1)), None);
    }

    #[test]
    fn a_share_rounds_down() {
        assert_eq!(Usdc(199).share_bps(100), Some(Usdc(1)));
        assert_eq!(Usdc(1_000_000).share_bps(100), Some(Usdc(10_000)));
        assert_eq!(Usdc(1).share_bps(10_001), None);
    }

    proptest! {
        #[test]
        fn text_round_trips(atomic in 0..=Usdc::MAX.atomic()) {
            let usdc = Usdc::from_atomic(atomic).unwrap();
            prop_assert_eq!(usdc.to_string().trim_start_matches('$').parse(), Ok(usdc));
            prop_assert_eq!(Usdc::parse_atomic(&atomic.to_string()), Ok(usdc));
        }
    }
}
