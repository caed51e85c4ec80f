//! The ledger's store, by its URL.

use crate::Error;
use std::fmt;
use std::sync::Arc;
use tollwire_ledger::embedded::EmbeddedLedger;
use tollwire_ledger::memory::MemoryLedger;
use tollwire_ledger::{Backup, Clock, Ledger};
use tollwire_ledger_redis::{RedisConfig, RedisLedger};
use tollwire_ops::store::StoreUrl;

/// An open ledger.
#[derive(Clone)]
pub struct OpenLedger {
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// Whether no other process can be on it.
    pub alone: bool,
    /// Copies it while it is in use; only a store in a file can.
    pub backup: Option<Arc<dyn Backup>>,
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
    match url {
        StoreUrl::Memory => {
            let ledger = Arc::new(MemoryLedger::new(Arc::clone(clock)));
            Ok(OpenLedger { ledger, alone: true, backup: None })
        }
        StoreUrl::File(path) => {
            let file = Arc::new(EmbeddedLedger::open(path, Arc::clone(clock)).map_err(Error::start)?);
            let ledger: Arc<dyn Ledger> = file.clone();
            Ok(OpenLedger { ledger, alone: true, backup: Some(file) })
        }
        StoreUrl::Redis(url) => {
            let mut config = RedisConfig::new(url);
            config.allow_volatile = demands.allow_volatile;
            config.wait_replicas = demands.wait_replicas;
            let ledger = RedisLedger::connect(config).await.map_err(Error::start)?;
            Ok(OpenLedger { ledger: Arc::new(ledger), alone: false, backup: None })
        }
    }
}

impl fmt::Debug for OpenLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenLedger").field("alone", &self.alone).finish_non_exhaustive()
    }
}
