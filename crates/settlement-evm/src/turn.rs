//! One writer per settlement account: in this process by a lock, between processes by a lease.

use crate::EvmConfig;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;
use tollwire_exact::evm::Address;
use tollwire_ledger::Ledger;
use tollwire_settlement::ChainError;

/// How often a lease that another process holds is asked for.
pub(crate) const ASK_EVERY: Duration = Duration::from_millis(50);

/// Where an account's turn is waited for, first come, first served.
pub(crate) struct Desk {
    lock: Arc<Mutex<()>>,
    lease: Option<Shared>,
}

/// The lease between processes.
#[derive(Clone)]
struct Shared {
    ledger: Arc<dyn Ledger>,
    name: Arc<str>,
    holder: Arc<str>,
    /// How long a lease lasts if its holder dies.
    lasts: Duration,
}

/// The right to use one account's next nonce.
pub(crate) struct Held {
    lock: Option<OwnedMutexGuard<()>>,
    lease: Option<Leased>,
}

struct Leased {
    shared: Shared,
    /// Reckoned from before the lease was asked for, with a margin: we stop before anybody else may begin.
    good_until: Instant,
}

impl Desk {
    pub(crate) fn new(config: &EvmConfig, signer: &Address, holder: &Arc<str>) -> Self {
        let lease = config.lease.as_ref().map(|ledger| Shared {
            ledger: Arc::clone(ledger),
            name: format!("signer:{}:{signer}", config.network).to_lowercase().into(),
            holder: Arc::clone(holder),
            lasts: config.turn_lease,
        });
        Self { lock: Arc::default(), lease }
    }

    /// Whether other processes may use this account.
    pub(crate) fn is_shared(&self) -> bool {
        self.lease.is_some()
    }

    /// Waits in this process's line.
    pub(crate) async fn lock(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.lock).lock_owned().await
    }

    /// Its lock, if nobody in this process has it or waits for it.
    pub(crate) fn try_lock(&self) -> Option<OwnedMutexGuard<()>> {
        Arc::clone(&self.lock).try_lock_owned().ok()
    }

    /// Waits until the account is this process's own.
    pub(crate) async fn take(&self) -> Result<Held, ChainError> {
        loop {
            if let Some(held) = self.lease(self.lock().await).await? {
                return Ok(held);
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    /// Makes the account this process's own; `None` while another process has it.
    pub(crate) async fn lease(&self, lock: OwnedMutexGuard<()>) -> Result<Option<Held>, ChainError> {
        let Some(shared) = &self.lease else { return Ok(Some(Held { lock: Some(lock), lease: None })) };
        let asked = Instant::now();
        // Made before it is asked for: if nobody waits for the answer any more, what was granted is given back.
        let leased = Leased { shared: shared.clone(), good_until: asked };
        let mut held = Held { lock: Some(lock), lease: Some(leased) };
        match shared.ledger.lease(&shared.name, &shared.holder, shared.lasts).await {
            Ok(true) => {
                let good_until = asked + shared.lasts.saturating_sub(shared.lasts / 5);
                held.lease = Some(Leased { shared: shared.clone(), good_until });
                Ok(Some(held))
            }
            Ok(false) => {
                held.lease = None;
                Ok(None)
            }
            Err(error) => Err(ChainError::Unavailable(format!("signer lease: {error}"))),
        }
    }
}

impl Held {
    /// Whether it still holds: a process that was suspended may have lost its lease.
    pub(crate) fn holds(&self) -> bool {
        self.lease.as_ref().is_none_or(|leased| Instant::now() < leased.good_until)
    }
}

impl Drop for Held {
    /// Gives the lease back in the background, and only then lets the next turn of this process begin: a release
    /// that came late would end *that* turn's lease. If it fails, the lease lapses by itself.
    fn drop(&mut self) {
        let (lock, lease) = (self.lock.take(), self.lease.take());
        if let (Some(leased), Ok(runtime)) = (lease, tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                let Shared { ledger, name, holder, .. } = leased.shared;
                if let Err(error) = ledger.release(&name, &holder).await {
                    tracing::debug!(%error, "signer lease not given back; it lapses by itself");
                }
                drop(lock);
            });
        }
    }
}

/// A name that no other process has. It is no secret.
pub(crate) fn random_name() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}
