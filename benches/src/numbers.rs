//! Medians and ratios in whole numbers.

/// The middle value; the lower one of two.
pub(crate) fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

/// `part / whole` with two decimals.
pub(crate) fn ratio(part: u64, whole: u64) -> String {
    let hundredths = (part * 100 + whole / 2) / whole.max(1);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// By how many thousandths `part` exceeds `whole`.
pub(crate) fn per_mille(part: u64, whole: u64) -> i64 {
    let share = i64::try_from(u128::from(part) * 1000 / u128::from(whole.max(1)));
    share.unwrap_or(i64::MAX) - 1000
}

/// Nanoseconds as microseconds with three decimals.
pub(crate) fn micros(nanos: u64) -> String {
    format!("{}.{:03}", nanos / 1000, nanos % 1000)
}

/// Bytes as KiB with one decimal.
pub(crate) fn kib(bytes: u64) -> String {
    let tenths = (bytes * 10 + 512) / 1024;
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![9, 1, 5]), 5);
        assert_eq!(median(vec![4, 1, 3, 2]), 2);
        assert_eq!(median(vec![]), 0);
    }

    #[test]
    fn decimals_are_rounded() {
        assert_eq!(ratio(86, 100), "0.86");
        assert_eq!(ratio(2, 3), "0.67");
        assert_eq!(ratio(5, 0), "5.00");
        assert_eq!(micros(1_234_567), "1234.567");
        assert_eq!(kib(2560), "2.5");
        assert_eq!((per_mille(1025, 1000), per_mille(990, 1000)), (25, -10));
    }
}
