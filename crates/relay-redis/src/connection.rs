//! The broker's connection.

use crate::script;
use std::sync::Arc;
use tollwire_redis::redis::{Pipeline, Value};
use tollwire_redis::{ServerConfig, Store};
use tollwire_relay::store::StoreError;

/// A broker's connection to Redis. Cheap to clone; clones are one connection.
#[derive(Debug, Clone)]
pub struct RelayRedis {
    store: Arc<Store>,
    prefix: Arc<str>,
}

impl RelayRedis {
    /// Connects and checks that the server is fit. Every key begins with the configuration's prefix and `relay:`.
    ///
    /// [`StoreError::Unfit`] says what to change; [`StoreError::Unavailable`] means it could not be asked.
    pub async fn connect(mut config: ServerConfig) -> Result<Self, StoreError> {
        config.prefix.push_str("relay:");
        let prefix: Arc<str> = config.prefix.as_str().into();
        let indexes = [key(&prefix, "due")];
        let store = Store::connect(&config, &indexes, script::load_all, None).await?;
        Ok(Self { store: Arc::new(store), prefix })
    }

    /// A key of this broker's.
    pub(crate) fn key(&self, name: &str) -> String {
        key(&self.prefix, name)
    }

    /// One round trip, by a store that is whole.
    pub(crate) async fn ask(&self, commands: &Pipeline) -> Result<Vec<Value>, StoreError> {
        self.store.ask_whole(commands).await
    }
}

fn key(prefix: &str, name: &str) -> String {
    format!("{prefix}{name}")
}
