//! Turns: one writer per settlement account, in this process by a lock, between processes by a lease.

use crate::EvmConfig;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{Instant, timeout};
use tollwire_exact::evm::Address;
use tollwire_ledger::Ledger;
use tollwire_settlement::ChainError;
use tollwire_settlement::chain::Turn;

/// How often a lease that another process holds is asked for.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// Hands out turns.
pub(crate) struct Turns {
    lock: Arc<Mutex<()>>,
    lease: Option<Shared>,
    wait: Duration,
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

/// The right to use the settlement account's next nonce.
pub(crate) struct EvmTurn {
    lock: Option<OwnedMutexGuard<()>>,
    lease: Option<Held>,
}

impl Turn for EvmTurn {}

struct Held {
    shared: Shared,
    /// Reckoned from before the lease was asked for, with a margin: we stop before anybody else may begin.
    good_until: Instant,
}

impl Turns {
    pub(crate) fn new(config: &EvmConfig, signer: &Address) -> Self {
        let lease = config.lease.as_ref().map(|ledger| Shared {
            ledger: Arc::clone(ledger),
            name: format!("signer:{}:{signer}", config.network).to_lowercase().into(),
            holder: random_name().into(),
            lasts: config.turn_lease,
        });
        Self { lock: Arc::default(), lease, wait: config.turn_wait }
    }

    /// Waits for the turn, at most as long as configured.
    pub(crate) async fn take(&self) -> Result<EvmTurn, ChainError> {
        let taking = async {
            let lock = Arc::clone(&self.lock).lock_owned().await;
            let lease = match &self.lease {
                None => None,
                Some(shared) => Some(shared.clone().take().await?),
            };
            Ok(EvmTurn { lock: Some(lock), lease })
        };
        timeout(self.wait, taking).await.unwrap_or(Err(ChainError::Busy))
    }
}

impl EvmTurn {
    /// Whether it still holds: a process that was suspended may have lost its lease.
    pub(crate) fn holds(&self) -> bool {
        self.lease.as_ref().is_none_or(|held| Instant::now() < held.good_until)
    }
}

impl Shared {
    async fn take(self) -> Result<Held, ChainError> {
        loop {
            let asked = Instant::now();
            match self.ledger.lease(&self.name, &self.holder, self.lasts).await {
                Ok(true) => {
                    let good_for = self.lasts.saturating_sub(self.lasts / 5);
                    return Ok(Held { good_until: asked + good_for, shared: self });
                }
                Ok(false) => tokio::time::sleep(ASK_EVERY).await,
                Err(error) => return Err(ChainError::Unavailable(format!("signer lease: {error}"))),
            }
        }
    }
}

impl Drop for EvmTurn {
    /// Gives the lease back in the background, and only then lets the next turn of this process begin: a release
    /// that came late would end *that* turn's lease. If it fails, the lease lapses by itself.
    fn drop(&mut self) {
        let (lock, lease) = (self.lock.take(), self.lease.take());
        if let (Some(held), Ok(runtime)) = (lease, tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                let Shared { ledger, name, holder, .. } = held.shared;
                if let Err(error) = ledger.release(&name, &holder).await {
                    tracing::debug!(%error, "signer lease not given back; it lapses by itself");
                }
                drop(lock);
            });
        }
    }
}

/// A name that no other process has. It is no secret.
fn random_name() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}
