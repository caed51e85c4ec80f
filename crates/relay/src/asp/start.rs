//! Agent sessions as a whole.

use super::client::{AspClients, StaticTrust, TrustProvider};
use super::gatekeeper::Gatekeeper;
use super::inner::Inner;
use super::limits::AspLimits;
use super::link::{Encoding, link};
use super::room::Rooms;
use super::store::{EmbeddedSessions, Sessions};
use super::turns::Turns;
use crate::Limits;
use crate::bridge::{Alone, Bus, News, NodeId, Tell};
use crate::notes::{EmbeddedNotes, Notes};
use crate::runtime::{self, Budget, Ending, Socket};
use crate::store::{Embedded, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tollwire_asp::{SessionId, SigningKey, VerifyingKey};
use tollwire_ledger::{Clock, SystemClock};
use url::Url;

/// How much larger a frame may be before it ends the connection: below it is answered by an error.
const FRAME_SLACK: usize = 4;

/// How often what may be forgotten is, and everybody looks whether word of a message was lost.
const KEEP_EVERY: Duration = Duration::from_secs(30);

/// The runtime's own pings are not this protocol's: it counts pongs of its own.
const NO_PINGS: Duration = Duration::from_secs(30 * 86_400);

/// Where agent sessions are kept.
#[derive(Clone)]
pub struct AspStores {
    /// Sessions and their messages.
    pub sessions: Arc<dyn Sessions>,
    /// Proofs that were used.
    pub notes: Arc<dyn Notes>,
    /// Word between nodes.
    pub bus: Arc<dyn Bus>,
}

impl AspStores {
    /// In the embedded database, for one node.
    pub async fn embedded(store: &Embedded) -> Result<Self, StoreError> {
        Ok(Self {
            sessions: Arc::new(EmbeddedSessions::open(store.clone()).await?),
            notes: Arc::new(EmbeddedNotes::open(store.clone()).await?),
            bus: Arc::new(Alone),
        })
    }
}

impl std::fmt::Debug for AspStores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AspStores").field("shared", &self.bus.is_shared()).finish_non_exhaustive()
    }
}

/// What agent sessions are made of.
pub struct AspConfig {
    /// Signs messages, and what access tokens are made of: the same on all nodes.
    pub key: SigningKey,
    /// Who may have access tokens.
    pub clients: AspClients,
    /// How much they are trusted.
    pub trust: Arc<dyn TrustProvider>,
    /// Bounds and time-outs.
    pub limits: AspLimits,
    /// Where they are kept.
    pub stores: AspStores,
    /// The URL that clients use.
    pub public_url: Url,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl AspConfig {
    /// For nobody yet.
    pub fn new(key: SigningKey, stores: AspStores, public_url: Url) -> Self {
        Self {
            key,
            clients: AspClients::new(),
            trust: Arc::new(StaticTrust),
            limits: AspLimits::default(),
            stores,
            public_url,
            clock: Arc::new(SystemClock),
        }
    }
}

impl std::fmt::Debug for AspConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AspConfig").field("stores", &self.stores).finish_non_exhaustive()
    }
}

/// Agent sessions. Cheap to clone; clones are one.
#[derive(Clone)]
pub struct Asp(Arc<Running>);

struct Running {
    inner: Arc<Inner>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Asp {
    /// Starts. Must be called within a tokio runtime, on which its tasks then live.
    pub fn start(config: AspConfig) -> Result<Self, StoreError> {
        let AspConfig { key, clients, trust, limits, stores, public_url, clock } = config;
        let AspStores { sessions, notes, bus } = stores;
        let node =
            getrandom::u64().map_err(|error| StoreError::Unavailable(format!("no randomness: {error}")))?;
        let gate = Gatekeeper::new(&key, clients, Arc::clone(&notes), limits.dpop_reuse);
        let public_url = public_url.as_str().trim_end_matches('/').to_owned();
        let rooms = Rooms::default();
        let turns = Turns::new(limits.sends_per_second);
        let inner = Inner { key, gate, sessions, bus, trust, clock, limits, rooms, turns, public_url };
        let inner = Arc::new(inner);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(listen(Arc::clone(&inner), NodeId(node), stop.clone()));
        tasks.spawn(keep(Arc::clone(&inner), notes, stop.clone()));
        Ok(Self(Arc::new(Running { inner, tasks, stop })))
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.0.inner
    }

    /// The key that messages are signed with.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.0.inner.key.verifying_key()
    }

    /// Takes over other clients: those that are gone lose their connections, and changes of trust are told.
    pub fn configure(&self, clients: AspClients) {
        let inner = &self.0.inner;
        let before = inner.gate.configure(clients);
        inner.drop_strangers();
        inner.turns.keep(&inner.gate.clients());
        for (id, client) in inner.gate.clients().iter() {
            if let Some(was) =
                before.get(id).filter(|was| was.agent == client.agent && was.trust != client.trust)
                && inner.trust.score(&client.agent).is_none()
            {
                inner.tell_trust(&client.agent, client.trust, was.trust);
            }
        }
    }

    /// The longest message that a connection takes, in bytes.
    pub(crate) fn frame_bytes_max(&self) -> usize {
        self.0.inner.limits.frame_bytes_max.saturating_mul(FRAME_SLACK)
    }

    /// Serves a connection to its end.
    pub(crate) async fn serve(
        &self,
        (session, encoding): (SessionId, Encoding),
        socket: Socket,
        (limits, tasks): (&Limits, &TaskTracker),
        ends: (CancellationToken, CancellationToken),
    ) -> Ending {
        let outbox = Arc::new(encoding.outbox(limits.queue_bytes_max));
        let budget = Budget::new(limits.queue_bytes_max);
        let (link, work) = link(self.inner(), session, &outbox, (budget, encoding));
        tasks.spawn(Box::pin(work.run()));
        let limits = Limits { heartbeat: NO_PINGS, ..limits.clone() };
        runtime::run(socket, &link, &outbox, &limits, ends).await
    }

    /// Ends its tasks, once its connections are gone.
    pub(crate) async fn stop(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

impl std::fmt::Debug for Asp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asp").field("key", &self.verifying_key().to_string()).finish_non_exhaustive()
    }
}

async fn listen(inner: Arc<Inner>, node: NodeId, stop: CancellationToken) {
    let bus = Arc::clone(&inner.bus);
    let tell: Tell = Arc::new(move |news: News| inner.hear(&news));
    tokio::select! {
        () = bus.listen(node, tell) => {}
        () = stop.cancelled() => {}
    }
}

async fn keep(inner: Arc<Inner>, notes: Arc<dyn Notes>, stop: CancellationToken) {
    let mut turns = interval(KEEP_EVERY);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = turns.tick() => {}
            () = stop.cancelled() => return,
        }
        if inner.bus.is_shared() {
            inner.rooms.all().iter().for_each(|room| room.look());
        }
        let now = inner.now();
        let swept = inner.sessions.sweep(now).await;
        if let Err(error) = swept.and(notes.sweep(now).await) {
            tracing::warn!(%error, "what may be forgotten is kept for now");
        }
    }
}
