//! The ledger's store, by its URL.

use crate::Error;
use std::fmt;
use std::sync::Arc;
use tollwire_ledger::embedded::EmbeddedLedger;
use tollwire_ledger::memory::MemoryLedger;
use tollwire_ledger::{Clock, Ledger};
use tollwire_ledger_redis::{RedisConfig, RedisLedger};
use tollwire_ops::store::StoreUrl;

/// An open ledger.
#[derive(Clone)]
pub struct OpenLedger {
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// Whether no other process can be on it.
    pub alone: bool,
}

/// What is demanded of a Redis.
#[derive(Debug, Clone, Copy, Default)]
pub struct RedisDemands {
    /// Start on one that may forget.
    pub allow_volatile: bool,
    /// Replicas that must have confirmed a payment's records.
    pub wait_replicas: u32,
}

/// Opens the ledger that a store holds.
pub async fn open_ledger(
    url: &StoreUrl,
    demands: RedisDemands,
    clock: &Arc<dyn Clock>,
) -> Result<OpenLedger, Error> {
    let alone = |ledger: Arc<dyn Ledger>| OpenLedger { ledger, alone: true };
    match url {
        StoreUrl::Memory => Ok(alone(Arc::new(MemoryLedger::new(Arc::clone(clock))))),
        StoreUrl::File(path) => {
            let ledger = EmbeddedLedger::open(path, Arc::clone(clock)).map_err(Error::start)?;
            Ok(alone(Arc::new(ledger)))
        }
        StoreUrl::Redis(url) => {
            let mut config = RedisConfig::new(url);
            config.allow_volatile = demands.allow_volatile;
            config.wait_replicas = demands.wait_replicas;
            let ledger = RedisLedger::connect(config).await.map_err(Error::start)?;
            Ok(OpenLedger { ledger: Arc::new(ledger), alone: false })
        }
    }
}

impl fmt::Debug for OpenLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenLedger").field("alone", &self.alone).finish_non_exhaustive()
    }
}
