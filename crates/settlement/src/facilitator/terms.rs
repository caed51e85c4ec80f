//! What one customer of a facilitator may have settled, and how much of it.

use super::Allowlist;
use std::num::NonZeroU32;
use std::time::Duration;
use tollwire_x402::Usdc;

/// The terms of one customer. [`Terms::default`] serves nobody on real chains and limits nothing on the dev chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// Whose payments, in which assets.
    pub allowlist: Allowlist,
    /// Requests per second, of this customer; counted by each node for itself.
    pub requests: Option<Rate>,
    /// Requests per second about one payer of this customer's; counted by each node for itself.
    pub requests_per_payer: Option<Rate>,
    /// Payments settled per [`QUOTA_WINDOW`], on all nodes together.
    pub settles_per_day: Option<u64>,
    /// What settling may cost in gas per [`QUOTA_WINDOW`], by the estimate at the time, on all nodes together.
    pub gas_per_day: Option<Usdc>,
    /// The same for the payments of one payer.
    pub gas_per_payer_per_day: Option<Usdc>,
    /// The smallest payment that is settled.
    pub minimum: Minimum,
}

/// How long a customer's quotas and budgets last: a day from the first settlement that was charged to them.
pub const QUOTA_WINDOW: Duration = Duration::from_hours(24);

/// A bound on how often something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How often in a second, in the long run.
    pub per_second: NonZeroU32,
    /// How often at once, after a while of rest.
    pub burst: NonZeroU32,
}

/// The smallest payment that is settled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Minimum {
    /// Any.
    #[default]
    None,
    /// More than what settling it is estimated to cost at the time.
    AboveGas,
    /// This much.
    Amount(Usdc),
}

impl Terms {
    /// Terms without limits for those whom the list names.
    pub fn of(allowlist: Allowlist) -> Self {
        Self { allowlist, ..Self::default() }
    }

    /// Whether the estimated gas is charged to anything.
    pub(super) fn budgets_gas(&self) -> bool {
        self.gas_per_day.is_some() || self.gas_per_payer_per_day.is_some()
    }
}
