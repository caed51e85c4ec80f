//! The broker's connection.

use crate::ears::Ears;
use crate::script;
use std::sync::Arc;
use tollwire_redis::redis::{Client, Cmd, Pipeline, Value};
use tollwire_redis::reply::first;
use tollwire_redis::{Address, Seat, ServerConfig, Store, only};
use tollwire_relay::store::StoreError;

/// A broker's connection to Redis. Cheap to clone; clones are one connection.
#[derive(Clone)]
pub struct RelayRedis {
    store: Arc<Store>,
    prefix: Arc<str>,
    /// Where what agent sessions say is heard over this connection.
    ears: Ears,
}

impl RelayRedis {
    /// Connects and checks that the server is fit. Every key begins with the configuration's prefix and `relay:`, which on
    /// a cluster is the hash tag of all of them.
    ///
    /// [`StoreError::Unfit`] says what to change; [`StoreError::Unavailable`] means it could not be asked.
    pub async fn connect(mut config: ServerConfig) -> Result<Self, StoreError> {
        config.prefix.push_str("relay:");
        config.one_slot = true;
        let prefix: Arc<str> = config.key_prefix(&Address::parse(&config.url)?).into();
        let indexes = [key(&prefix, "due")];
        let store = Store::connect(&config, &indexes, script::load_all, None).await?;
        Ok(Self { store: Arc::new(store), prefix, ears: Ears::default() })
    }

    /// A key of this broker's.
    pub(crate) fn key(&self, name: &str) -> String {
        key(&self.prefix, name)
    }

    /// The same of a name in parts.
    pub(crate) fn key_of<const COUNT: usize>(&self, parts: [&str; COUNT]) -> String {
        let bytes = parts.iter().map(|part| part.len()).fold(self.prefix.len(), usize::saturating_add);
        let mut key = String::with_capacity(bytes);
        key.push_str(&self.prefix);
        key.extend(parts);
        key
    }

    pub(crate) const fn ears(&self) -> &Ears {
        &self.ears
    }

    /// What makes connections of one's own, to the server that is the primary of the broker's rows now.
    pub(crate) async fn client(&self) -> Result<(Client, Seat), StoreError> {
        self.store.client(&self.prefix).await
    }

    /// Whether that server still is.
    pub(crate) async fn is_still(&self, seat: &Seat) -> bool {
        self.store.is_still(seat, &self.prefix).await
    }

    /// One round trip, by a store that is whole.
    pub(crate) async fn ask(&self, commands: &Pipeline) -> Result<Vec<Value>, StoreError> {
        self.store.ask_whole(commands).await
    }

    /// The same for one command.
    pub(crate) async fn ask_one(&self, command: Cmd) -> Result<Value, StoreError> {
        first(self.ask(&only(command)).await?)
    }

    /// The same for a command whose answer may tell by itself that the store is whole, as `tells` says; several such commands
    /// share a round trip.
    pub(crate) async fn ask_telling(
        &self,
        command: Cmd,
        tells: impl FnOnce(&Value) -> bool,
    ) -> Result<Value, StoreError> {
        let answer = self.store.ask_joined(command).await?;
        if !tells(&answer) {
            self.store.whole_at(&self.prefix).await?;
        }
        Ok(answer)
    }
}

fn key(prefix: &str, name: &str) -> String {
    format!("{prefix}{name}")
}

impl std::fmt::Debug for RelayRedis {
    /// Without the address, which may carry a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RelayRedis").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
