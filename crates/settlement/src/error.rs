//! Why a settlement could not be answered.

use crate::ChainError;

/// No answer about a payment. None of these says that it was not paid: ask again with the same payment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettleError {
    /// As many settlements as [`SettlerConfig::in_flight_max`](crate::SettlerConfig::in_flight_max) allows are
    /// running: retry in a moment (HTTP 503).
    #[error("too many settlements in flight; retry in a moment")]
    Busy,
    /// This process is shutting down: retry with another.
    #[error("settlement is draining; retry elsewhere")]
    Draining,
    /// The ledger could not answer.
    #[error(transparent)]
    Store(#[from] tollwire_ledger::Error),
    /// The chain could not be asked.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The caller's own condition was not met: nothing was recorded.
    #[error("not recorded: the caller's condition was not met")]
    Barred,
    /// No payment of this identity was ever recorded.
    #[error("no such payment")]
    Unknown,
}
