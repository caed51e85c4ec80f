//! A bridge as a whole.

use super::audit::{self, Audit};
use super::bus::{Alone, Bus, News, Tell};
use super::directory::Directory;
use super::hub::Hub;
use super::id::NodeId;
use super::inner::Inner;
use super::keeper;
use super::limits::BridgeLimits;
use super::registry::Registry;
use super::token::TokenKey;
use crate::log::{EmbeddedLog, Log, MemoryLog};
use crate::notes::{EmbeddedNotes, MemoryNotes, Notes};
use crate::store::{Embedded, StoreError};
use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tollwire_ledger::{Clock, SystemClock};

/// Words from other nodes that may wait for whoever listens; if more do, it looks at everything instead.
const WORDS_MAX: usize = 256;

/// Where a bridge keeps what it must not forget.
#[derive(Clone)]
pub struct Stores {
    /// Events and answers.
    pub log: Arc<dyn Log>,
    /// Registrations, and who is where.
    pub notes: Arc<dyn Notes>,
    /// Word between nodes.
    pub bus: Arc<dyn Bus>,
}

impl Stores {
    /// In memory: all is gone with the process.
    pub fn memory() -> Self {
        Self { log: Arc::new(MemoryLog::new()), notes: Arc::new(MemoryNotes::new()), bus: Arc::new(Alone) }
    }

    /// In the embedded database, for one node.
    pub async fn embedded(store: &Embedded) -> Result<Self, StoreError> {
        Ok(Self {
            log: Arc::new(EmbeddedLog::open(store.clone()).await?),
            notes: Arc::new(EmbeddedNotes::open(store.clone()).await?),
            bus: Arc::new(Alone),
        })
    }
}

impl std::fmt::Debug for Stores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stores").field("shared", &self.bus.is_shared()).finish_non_exhaustive()
    }
}

/// What a bridge is made of.
pub struct BridgeConfig {
    /// What tokens are hashed with.
    pub key: TokenKey,
    /// Who is registered by the configuration file.
    pub registry: Registry,
    /// Bounds and time-outs.
    pub limits: BridgeLimits,
    /// Where it keeps things.
    pub stores: Stores,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl BridgeConfig {
    /// A bridge in memory, for nobody yet.
    pub fn new(key: TokenKey) -> Self {
        Self {
            key,
            registry: Registry::default(),
            limits: BridgeLimits::default(),
            stores: Stores::memory(),
            clock: Arc::new(SystemClock),
        }
    }
}

impl std::fmt::Debug for BridgeConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BridgeConfig").field("stores", &self.stores).finish_non_exhaustive()
    }
}

/// A messaging bridge. Cheap to clone; clones are one bridge.
#[derive(Clone)]
pub struct Bridge(Arc<Running>);

struct Running {
    inner: Arc<Inner>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Bridge {
    /// Starts a bridge. Must be called within a tokio runtime, on which its tasks then live.
    pub async fn start(config: BridgeConfig) -> Result<Self, StoreError> {
        let BridgeConfig { key, registry, limits, stores: Stores { log, notes, bus }, clock } = config;
        let mut random = [0; 8];
        getrandom::fill(&mut random)
            .map_err(|error| StoreError::Unavailable(format!("no randomness: {error}")))?;
        let (audit, entries) = Audit::new();
        let kept = (limits.audit_ttl, limits.audit_entries_max);
        let inner = Arc::new(Inner {
            node: NodeId(u64::from_be_bytes(random)),
            directory: Directory::new(Arc::clone(&notes), key, registry),
            log,
            notes,
            bus,
            clock,
            limits,
            hub: Hub::default(),
            audit,
            words: broadcast::channel(WORDS_MAX).0,
            buckets: Mutex::new(HashMap::new()),
            connections: AtomicU64::new(0),
        });
        inner.directory.refresh(inner.now()).await?;
        let (tasks, stop, refresh) = (TaskTracker::new(), CancellationToken::new(), Arc::new(Notify::new()));
        tasks.spawn(audit::write(Arc::clone(&inner.log), entries, kept, stop.clone()));
        tasks.spawn(keeper::keep(Arc::clone(&inner), Arc::clone(&refresh), stop.clone()));
        tasks.spawn(listen(Arc::clone(&inner), refresh, stop.clone()));
        Ok(Self(Arc::new(Running { inner, tasks, stop })))
    }

    /// Takes over what the configuration file says now of apps and agents.
    pub fn configure(&self, registry: Registry) {
        self.0.inner.directory.configure(registry);
        self.0.inner.drop_the_revoked();
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.0.inner
    }

    /// Ends its tasks, once its connections are gone.
    pub(crate) async fn stop(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

impl std::fmt::Debug for Bridge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bridge").field("node", &self.0.inner.node).finish_non_exhaustive()
    }
}

async fn listen(inner: Arc<Inner>, refresh: Arc<Notify>, stop: CancellationToken) {
    let (bus, node) = (Arc::clone(&inner.bus), inner.node);
    let tell: Tell = Arc::new(move |news: News| {
        if inner.hear(&news) {
            refresh.notify_one();
        }
    });
    tokio::select! {
        () = bus.listen(node, tell) => {}
        () = stop.cancelled() => {}
    }
}
