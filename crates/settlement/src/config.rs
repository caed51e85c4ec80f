//! Every bound of the settlement procedure, with its default.

use crate::dues::Unspent;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;
use tollwire_ledger::model::Payment;
use tollwire_x402::Usdc;

/// Bounds and identity of a [`Settler`](crate::Settler).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettlerConfig {
    /// This process's name in the ledger's leases. Processes that share a ledger need different names; a process
    /// that is alone with its ledger may keep one for ever, and then takes up its work at once after a restart.
    /// Default: random.
    pub holder: String,
    /// Payments worked on at once in this process; more are answered [`Busy`](crate::SettleError::Busy).
    /// Default 512.
    pub in_flight_max: usize,
    /// How long one task pursues a payment before it leaves it to the reconciler. Default 60 s.
    pub patience: Duration,
    /// How long a payment stays this process's own without a renewal. Default 10 s.
    pub lease: Duration,
    /// First pause between two looks at a payment; it doubles up to `poll_max`. What was sent a moment ago is looked at
    /// after 2 ms, twice that and so on up to this pause if it is alone in flight; else after 5 ms, twice that and so on, and
    /// 2 ms more for each payment in flight, of which those that are looked at together count as one. Default 100 ms.
    pub poll_first: Duration,
    /// Longest pause between two looks. Default 1 s.
    pub poll_max: Duration,
    /// Immediate repetitions of a broadcast that got no answer, within the signer's turn. Default 2.
    pub broadcast_retries: u32,
    /// How long a transaction may stay unseen before another is made for the same payment; doubles with each.
    /// Default 30 s.
    pub attempt_after: Duration,
    /// Transactions made for one payment at most; never more than [`Payment::ATTEMPTS_MAX`]. Default 4.
    pub attempts_max: usize,
    /// Time between two walks of the reconciler. Default 5 s.
    pub reconcile_every: Duration,
    /// How long the reconciler stays with one payment per walk. Default 5 s.
    pub reconcile_patience: Duration,
    /// Payments the reconciler works on, and deposits it looks at, at once. Default 8.
    pub reconcile_parallel: usize,
    /// First pause between two looks at a deposit that was credited and is not final; it doubles up to twelve times that.
    /// Default 5 s.
    pub watch_every: Duration,
    /// Refunds worked on at once in this process, and as many payouts; the others wait. Default 8.
    pub outgoing_parallel: usize,
    /// Payments of one payer and hour that may be sent and come to nothing, in this process; then it is refused until the
    /// hour is over. 0 for no bound. Default 5.
    pub failures_per_payer: u32,
    /// Longest pause before the reconciler looks at the same payment again. Default 60 s.
    pub reconcile_backoff_max: Duration,
    /// How providers are paid out.
    pub payouts: PayoutTerms,
}

impl Default for SettlerConfig {
    fn default() -> Self {
        Self {
            holder: random_holder(),
            in_flight_max: 512,
            patience: Duration::from_mins(1),
            lease: Duration::from_secs(10),
            poll_first: Duration::from_millis(100),
            poll_max: Duration::from_secs(1),
            broadcast_retries: 2,
            attempt_after: Duration::from_secs(30),
            attempts_max: 4,
            reconcile_every: Duration::from_secs(5),
            reconcile_patience: Duration::from_secs(5),
            reconcile_parallel: 8,
            watch_every: Duration::from_secs(5),
            outgoing_parallel: 8,
            failures_per_payer: 5,
            reconcile_backoff_max: Duration::from_mins(1),
            payouts: PayoutTerms::default(),
        }
    }
}

/// How providers are paid out, and what of a session is theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayoutTerms {
    /// The operator's fee in basis points, at most 10,000. Default 100.
    pub fee_bps: u16,
    /// What becomes of units that nobody used. Default [`Unspent::Refund`].
    pub unspent: Unspent,
    /// A provider is paid once this much is due. Default $10.
    pub threshold: Usdc,
    /// Who bears the gas of the transfer. Default: the operator.
    pub gas: GasBearer,
}

/// Who bears the gas of a payout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GasBearer {
    /// The operator: the provider is sent all that was gathered.
    #[default]
    Operator,
    /// The provider: what the transfer is estimated to cost is withheld.
    Provider,
}

impl Default for PayoutTerms {
    fn default() -> Self {
        Self {
            fee_bps: 100,
            unspent: Unspent::Refund,
            threshold: Usdc::from_atomic(10_000_000).unwrap_or_default(),
            gas: GasBearer::default(),
        }
    }
}

impl SettlerConfig {
    /// The defaults, under a name of the caller's choice.
    pub fn named(holder: impl Into<String>) -> Self {
        Self { holder: holder.into(), ..Self::default() }
    }

    /// The number of attempts in force.
    pub(crate) fn attempts_bound(&self) -> usize {
        self.attempts_max.clamp(1, Payment::ATTEMPTS_MAX)
    }
}

/// A name that no other process has: 128 bits from the standard library's own seeding. It is no secret.
fn random_holder() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}
