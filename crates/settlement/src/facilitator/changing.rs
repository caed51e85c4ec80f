//! A facilitator in process whose payees change while it serves.

use super::{Allowlist, LocalFacilitator};
use crate::Settler;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use tollwire_x402::facilitator::{BoxFuture, Failure, Request, SettleResponse, Supported, VerifyResponse};
use tollwire_x402::v2::Extra;
use tollwire_x402::{Facilitator, Network};

/// A [`LocalFacilitator`] that can be told who may be paid now; requests under way go on under what held when they came.
pub struct ChangingFacilitator {
    settler: Arc<Settler>,
    current: RwLock<LocalFacilitator>,
}

impl ChangingFacilitator {
    /// Until it is told otherwise, only the dev chain pays.
    pub fn new(settler: Arc<Settler>) -> Self {
        let current = RwLock::new(LocalFacilitator::new(Arc::clone(&settler), Allowlist::dev_only()));
        Self { settler, current }
    }

    /// From now on these wallets may be paid, and no others. Play money goes to everybody: the dev chain stands alone.
    pub fn allow(&self, wallets: Vec<String>) {
        let dev = self.settler.chains().iter().any(|chain| chain.info().is_dev());
        let allowed = if dev { Allowlist::dev_only() } else { Allowlist::of(wallets) };
        let next = LocalFacilitator::new(Arc::clone(&self.settler), allowed);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
    }

    fn current(&self) -> LocalFacilitator {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for ChangingFacilitator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangingFacilitator").finish_non_exhaustive()
    }
}

impl Facilitator for ChangingFacilitator {
    fn verify(&self, request: Request) -> BoxFuture<'_, Result<VerifyResponse, Failure>> {
        let current = self.current();
        Box::pin(async move { current.verify(request).await })
    }

    fn settle(&self, request: Request) -> BoxFuture<'_, Result<SettleResponse, Failure>> {
        let current = self.current();
        Box::pin(async move { current.settle(request).await })
    }

    fn supported(&self) -> BoxFuture<'_, Result<Supported, Failure>> {
        let current = self.current();
        Box::pin(async move { current.supported().await })
    }

    fn hints(&self, network: Network) -> BoxFuture<'_, Extra> {
        let current = self.current();
        Box::pin(async move { current.hints(network).await })
    }
}
