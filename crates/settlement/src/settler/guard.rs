//! What a caller may demand before a payment is recorded.

use crate::SettleError;
use crate::chain::BoxFuture;

/// Asked once about a payment that is in order: before it is recorded, or, if it was before, before it is answered.
pub(crate) trait Guard: Send + Sync {
    /// Whether to go on. `known` if the payment was recorded before: nothing more is spent for it.
    fn admits(&self, known: bool) -> BoxFuture<'_, Result<bool, SettleError>>;
}

/// No demands.
pub(super) struct Unguarded;

impl Guard for Unguarded {
    fn admits(&self, _known: bool) -> BoxFuture<'_, Result<bool, SettleError>> {
        Box::pin(std::future::ready(Ok(true)))
    }
}
