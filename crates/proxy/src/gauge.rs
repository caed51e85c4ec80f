//! The pump's allowance as the meter's gauge.

use tokio::time::Instant;
use tollwire_meter::Gauge;
use tollwire_wire::{Allowance, Counted, Measure};
use tollwire_x402::Unit;

/// What a pump may pass. Streams of the unit `stream` are not counted and cost nothing for it.
pub(crate) struct PumpGauge {
    allowance: Option<Allowance>,
    /// Units that earlier openings of the stream used: the pump counts from zero.
    before: u64,
}

impl PumpGauge {
    pub(crate) fn new(unit: Unit, counted: Counted, before: u64) -> Self {
        let measure = match unit {
            Unit::Stream | Unit::Usdc => None,
            Unit::Second => Some(Measure::Time),
            Unit::Message => Some(Measure::Message),
            Unit::Kib => Some(Measure::Kib),
        };
        Self { allowance: measure.map(|measure| Allowance::new(measure, counted)), before }
    }

    /// For the pump.
    pub(crate) fn allowance(&self) -> Option<Allowance> {
        self.allowance.clone()
    }
}

impl Gauge for PumpGauge {
    fn used(&self) -> u64 {
        let used = self.allowance.as_ref().map_or(0, Allowance::used);
        self.before.saturating_add(used)
    }

    fn needed(&self) -> Option<u64> {
        self.allowance.as_ref()?.needed().map(|needed| self.before.saturating_add(needed))
    }

    fn grant(&self, to: u64, until: Instant) {
        if let Some(allowance) = &self.allowance {
            allowance.grant(to.saturating_sub(self.before), until);
        }
    }

    async fn short(&self) {
        match &self.allowance {
            Some(allowance) => allowance.short().await,
            None => std::future::pending().await,
        }
    }
}
