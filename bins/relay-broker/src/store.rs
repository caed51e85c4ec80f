//! The broker's store, by its URL.

use crate::config::File;
use crate::failure::Failure;
use std::sync::Arc;
use tollwire_ledger::Clock;
use tollwire_ops::config::Loaded;
use tollwire_ops::store::StoreUrl;
use tollwire_relay::asp::AspStores;
use tollwire_relay::bridge::Stores;
use tollwire_relay::store::{Embedded, EmbeddedRows, Rows};
use tollwire_relay_redis::{
    RedisBus, RedisLog, RedisNotes, RedisRows, RedisSessions, RelayRedis, ServerConfig,
};

/// An open store.
#[derive(Debug, Clone)]
pub(crate) enum Store {
    /// This process's memory.
    Memory(Embedded),
    /// One file of this process.
    Embedded(Embedded),
    /// Shared with other brokers.
    Redis(RelayRedis),
}

impl Store {
    /// Its rows.
    pub(crate) async fn rows(&self, clock: Arc<dyn Clock>) -> Result<Arc<dyn Rows>, Failure> {
        Ok(match self {
            Self::Memory(store) | Self::Embedded(store) => {
                Arc::new(EmbeddedRows::open(store.clone(), clock).await.map_err(Failure::start)?)
            }
            Self::Redis(redis) => Arc::new(RedisRows::new(redis.clone())),
        })
    }

    /// Where agent sessions are kept.
    pub(crate) async fn asp(&self) -> Result<AspStores, Failure> {
        match self {
            Self::Memory(store) | Self::Embedded(store) => {
                AspStores::embedded(store).await.map_err(Failure::start)
            }
            Self::Redis(redis) => Ok(AspStores {
                sessions: Arc::new(RedisSessions::new(redis.clone())),
                notes: Arc::new(RedisNotes::new(redis.clone())),
                bus: Arc::new(RedisBus::of_sessions(redis.clone())),
            }),
        }
    }

    /// Where the bridge keeps things.
    pub(crate) async fn bridge(&self) -> Result<Stores, Failure> {
        match self {
            Self::Memory(_) => Ok(Stores::memory()),
            Self::Embedded(store) => Stores::embedded(store).await.map_err(Failure::start),
            Self::Redis(redis) => Ok(Stores {
                log: Arc::new(RedisLog::new(redis.clone())),
                notes: Arc::new(RedisNotes::new(redis.clone())),
                bus: Arc::new(RedisBus::new(redis.clone())),
            }),
        }
    }
}

/// Opens what `store` names.
pub(crate) async fn open(file: &Loaded<File>) -> Result<Store, Failure> {
    match StoreUrl::of(file, &file.value.store)? {
        StoreUrl::Memory => Embedded::memory().map(Store::Memory).map_err(Failure::start),
        StoreUrl::File(path) => Embedded::open(path).map(Store::Embedded).map_err(Failure::start),
        StoreUrl::Redis(url) => {
            let mut config = ServerConfig::new(url);
            config.allow_volatile = file.value.allow_volatile;
            RelayRedis::connect(config).await.map(Store::Redis).map_err(Failure::start)
        }
    }
}
