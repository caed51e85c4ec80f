//! Deposits and earnings over time: by the hour and by the day in which a session was opened.
//!
//! The ledger keeps no history of sums, and needs none for this: what a session brought in stands in its row, and when it
//! was opened does as well. A top-up counts where its session was opened.

use crate::totals::text;
use serde::Serialize;
use tollwire_ledger::Timestamp;
use tollwire_settlement::dues::Statement;

/// Hours that are told, the present one last.
pub const HOURS: u64 = 48;

/// Days (UTC) that are told, the present one last.
pub const DAYS: u64 = 30;

const HOUR_SECS: u64 = 3_600;
const DAY_SECS: u64 = 86_400;

/// Sums by period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Series {
    /// The last [`HOURS`].
    pub hours: Vec<Period>,
    /// The last [`DAYS`].
    pub days: Vec<Period>,
}

/// Sessions opened in one period, and what they brought in up to now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Period {
    /// Its first second, since the epoch.
    pub start: u64,
    /// Sessions opened in it.
    pub sessions: u64,
    /// What was paid in for them, in atomic USDC.
    #[serde(serialize_with = "text")]
    pub deposited: u128,
    /// What of it was earned: the value of units used.
    #[serde(serialize_with = "text")]
    pub earned: u128,
}

impl Series {
    /// Empty periods up to a time.
    pub fn until(now: Timestamp) -> Self {
        Self { hours: periods(now, HOUR_SECS, HOURS), days: periods(now, DAY_SECS, DAYS) }
    }

    /// Counts a session in.
    pub fn add(&mut self, opened: Timestamp, money: &Statement) {
        for (periods, secs) in [(&mut self.hours, HOUR_SECS), (&mut self.days, DAY_SECS)] {
            let Some(first) = periods.first().map(|period| period.start) else { continue };
            let Some(place) = opened.secs().checked_sub(first).and_then(|since| since.checked_div(secs))
            else {
                continue;
            };
            let Some(period) = usize::try_from(place).ok().and_then(|place| periods.get_mut(place)) else {
                continue;
            };
            period.sessions = period.sessions.saturating_add(1);
            period.deposited = period.deposited.saturating_add(money.deposited.atomic().into());
            period.earned = period.earned.saturating_add(money.accrued.atomic().into());
        }
    }
}

fn periods(now: Timestamp, secs: u64, count: u64) -> Vec<Period> {
    let last = now.secs().checked_div(secs).unwrap_or(0);
    let first = last.saturating_sub(count.saturating_sub(1));
    (first..=last).map(|place| Period { start: place.saturating_mul(secs), ..Period::default() }).collect()
}
