//! Times as RFC 3339 text, in UTC.

use tollwire_ledger::Timestamp;

/// `2026-01-02T03:04:05Z`, from seconds since the epoch.
pub fn seconds(secs: u64) -> String {
    let (date, time) = parts(secs);
    format!("{date}T{time}Z")
}

/// `2026-01-02T03:04:05.006Z`.
pub fn millis(at: Timestamp) -> String {
    let (date, time) = parts(at.secs());
    format!("{date}T{time}.{:03}Z", at.millis() % 1000)
}

fn parts(secs: u64) -> (String, String) {
    let (year, month, day) = civil(secs / 86_400);
    let second = secs % 86_400;
    let date = format!("{year:04}-{month:02}-{day:02}");
    (date, format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60))
}

/// Year, month and day of a day since 1970-01-01, in the proleptic Gregorian calendar.
///
/// Counts in eras of 400 years that begin on 1 March, so that the leap day is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days.saturating_add(719_468);
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates() {
        for (secs, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(seconds(secs), text);
        }
        assert_eq!(millis(Timestamp::from_millis(1_700_000_000_006)), "2023-11-14T22:13:20.006Z");
    }

    #[test]
    fn the_end_of_time_does_not_panic() {
        assert!(seconds(u64::MAX).ends_with('Z'));
        assert!(millis(Timestamp::from_millis(u64::MAX)).ends_with('Z'));
    }
}
