//! The bounds of metering.

use std::time::Duration;
use tollwire_x402::Unit;

/// Bounds that all streams of a process share. `MeterConfig::default()` suits production.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MeterConfig {
    /// How long units held ahead are good without another word to the ledger. Default 10 s.
    pub lease: Duration,
    /// How much longer the store keeps a hold than this process uses it. Default 5 s.
    pub lease_margin: Duration,
    /// How often a busy stream tells the ledger what it used and asks for more. Default 1 s.
    pub renew_every: Duration,
    /// The most units one stream holds ahead, whatever its rate: with the price of a unit, the most a crash can give
    /// away or take per stream. A single frame that costs more is held whole all the same. Default 1,000,000.
    pub lease_units_max: u64,
    /// Renewals of this process per second, all streams together; beyond it they come later and ask for more, as far as
    /// `lease` allows: with more than three quarters of it times this number of busy streams there are more. Streams that
    /// are short do not wait. Default 2,000.
    pub renewals_per_sec_max: u32,
    /// Renewals and ends of this process that wait for the store's answer at once, those of streams that are short
    /// included; the others wait their turn and then say what was used meanwhile. Default 128.
    pub renewals_at_once_max: u32,
    /// How long a stream that is short waits for units that others hold but may not use. Default 2 s: twice
    /// `watch_interval`, so that every node has heard of it.
    pub held_wait: Duration,
    /// How often sessions of live streams are checked for what happened elsewhere: revocation, replaced streams,
    /// recalled units, an empty balance. Default 1 s.
    pub watch_interval: Duration,
}

impl Default for MeterConfig {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(10),
            lease_margin: Duration::from_secs(5),
            renew_every: Duration::from_secs(1),
            lease_units_max: 1_000_000,
            renewals_per_sec_max: 2_000,
            renewals_at_once_max: 128,
            held_wait: Duration::from_secs(2),
            watch_interval: Duration::from_secs(1),
        }
    }
}

/// What one stream is sold by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// What is counted.
    pub unit: Unit,
    /// How long one `stream` unit lasts.
    pub max_stream: Duration,
    /// How long a stream of `stream` units goes on past that when the store cannot be asked. Metered streams end with
    /// their lease.
    pub grace: Duration,
}

impl Terms {
    /// How long the ledger takes a stream for live after it heard of it.
    pub fn live_for(&self) -> Duration {
        self.max_stream.saturating_add(self.grace).saturating_add(Duration::from_mins(1))
    }
}
