//! The ledger's store, by its URL.

use crate::config::File;
use crate::failure::Failure;
use std::sync::Arc;
use tollwire_ledger::embedded::EmbeddedLedger;
use tollwire_ledger::memory::MemoryLedger;
use tollwire_ledger::{Clock, Ledger};
use tollwire_ledger_redis::{RedisConfig, RedisLedger};
use tollwire_ops::config::Loaded;

/// An open store.
pub(crate) struct Store {
    pub(crate) ledger: Arc<dyn Ledger>,
    /// Whether no other process can be on it.
    pub(crate) alone: bool,
}

/// Opens what `store` names.
pub(crate) async fn open(file: &Loaded<File>, clock: &Arc<dyn Clock>) -> Result<Store, Failure> {
    let url = file.value.store.resolve()?;
    let alone = |ledger: Arc<dyn Ledger>| Store { ledger, alone: true };
    match url.split_once(':') {
        Some(("memory", "")) => Ok(alone(Arc::new(MemoryLedger::new(Arc::clone(clock))))),
        Some(("file", path)) => {
            let ledger =
                EmbeddedLedger::open(file.base.join(path), Arc::clone(clock)).map_err(Failure::start)?;
            Ok(alone(Arc::new(ledger)))
        }
        Some(("redis" | "rediss", _)) => {
            let mut config = RedisConfig::new(url);
            config.allow_volatile = file.value.allow_volatile;
            config.wait_replicas = file.value.wait_replicas;
            let ledger = RedisLedger::connect(config).await.map_err(Failure::start)?;
            Ok(Store { ledger: Arc::new(ledger), alone: false })
        }
        _ => Err(file.error("store", crate::config::STORE_RULE).into()),
    }
}
