//! The orchestrator as a whole.

use super::agents::Agents;
use super::inner::Inner;
use super::limits::OrchestratorLimits;
use super::link::{self, Link};
use super::people::People;
use super::purse::Purses;
use super::say;
use super::seats::Seats;
use super::token::Keys;
use super::words;
use crate::bridge::{AgentId, AppId, Bridge, TokenKey};
use crate::call::{Cashier, Upstream, offer_timeout_secs};
use crate::notes::Topic;
use crate::runtime::{self, Ending, Outbox, Socket};
use crate::store::{Rows, StoreError};
use crate::{Limits, Payments, StartError};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tollwire_ledger::{Clock, SystemClock};
use url::Url;

/// The app of the bridge that asks the brain and agents.
const APP: &str = "orchestrator";

/// How much larger a frame may be before it ends the connection: below it is answered by an error.
const FRAME_SLACK: usize = 4;

/// How often a broker says that it is at work.
const SIGN_EVERY: Duration = Duration::from_secs(2);

/// How often sessions that were left undone are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// How often it is looked whether an agent should be asked how it is, at the most and at the least.
const ASK_EVERY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(5));

/// How long sessions may take for what they are at when the broker stops; the rest is taken up by the next.
const LAST_STEPS: Duration = Duration::from_secs(5);

/// What the orchestrator is made of.
pub struct OrchestratorConfig {
    /// What API keys are hashed with, and what session tokens are made of: the same on all brokers.
    pub key: TokenKey,
    /// The bridge agent that chooses who serves a message.
    pub brain: AgentId,
    /// Whose agents of the bridge it may ask.
    pub org: String,
    /// The bridge.
    pub bridge: Bridge,
    /// Where sessions are kept.
    pub rows: Arc<dyn Rows>,
    /// How jobs are paid for; without it nothing may cost anything.
    pub payments: Option<Payments>,
    /// The URL that people use.
    pub public_url: Url,
    /// Bounds and time-outs.
    pub limits: OrchestratorLimits,
    /// Those of requests to agents over HTTP.
    pub requests: Limits,
    /// Authorities that agents' certificates may be signed by, beside the public ones (PEM).
    pub roots_pem: Option<String>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl OrchestratorConfig {
    /// One in which everything is free.
    pub fn new(key: TokenKey, brain: AgentId, bridge: Bridge, rows: Arc<dyn Rows>, public_url: Url) -> Self {
        Self {
            key,
            brain,
            org: String::new(),
            bridge,
            rows,
            payments: None,
            public_url,
            limits: OrchestratorLimits::default(),
            requests: Limits::default(),
            roots_pem: None,
            clock: Arc::new(SystemClock),
        }
    }
}

impl std::fmt::Debug for OrchestratorConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OrchestratorConfig").field("brain", &self.brain).finish_non_exhaustive()
    }
}

/// The orchestrator. Cheap to clone; clones are one.
#[derive(Clone)]
pub struct Orchestrator(Arc<Inner>);

impl Orchestrator {
    /// Starts. Must be called within a tokio runtime, on which its tasks then live.
    pub async fn start(config: OrchestratorConfig) -> Result<Self, StartError> {
        let failed = |error: &dyn std::fmt::Display| StartError::Orchestrator(error.to_string());
        let OrchestratorConfig { bridge, rows, limits, requests, clock, .. } = config;
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let app: AppId = APP.parse().map_err(|error| failed(&error))?;
        let inside = bridge.host(&app, &config.org, (&tasks, &stop)).map_err(|error| failed(&error))?;
        let (inside, upstream) =
            (Arc::new(inside), Arc::new(Upstream::new(config.roots_pem.as_deref(), &requests)?));
        let on_bridge = bridge.inner();
        let (notes, words) = (Arc::clone(&on_bridge.notes), on_bridge.words.subscribe());
        let timeout_secs = offer_timeout_secs(limits.payment_wait.saturating_add(limits.invoke));
        let cashier = config.payments.as_ref();
        let cashier = cashier.map(|payments| Cashier::new(payments, Arc::clone(&rows), timeout_secs));
        let inner = Arc::new(Inner {
            node: on_bridge.node,
            shared: on_bridge.bus.is_shared(),
            agents: Agents::new(
                (Arc::clone(&notes), Arc::clone(&rows)),
                Arc::clone(&upstream),
                Arc::clone(&inside),
                limits.clone(),
                config.payments.as_ref(),
            ),
            people: People::new(Arc::clone(&notes)),
            purses: Purses::new(Arc::clone(&rows)),
            keys: Keys::of(config.key),
            rows,
            notes,
            bridge: bridge.clone(),
            inside,
            brain: config.brain,
            upstream,
            cashier,
            accounts: config.payments.and_then(|payments| payments.accounts),
            clock,
            limits,
            seats: Seats::default(),
            public_url: config.public_url.as_str().trim_end_matches('/').to_owned(),
            works: TaskTracker::new(),
            tasks,
            stop,
        });
        inner.give_sign().await.map_err(|error| failed(&error))?;
        inner.tasks.spawn(words::listen(Arc::clone(&inner), words));
        inner.tasks.spawn(be_there(Arc::clone(&inner)));
        inner.tasks.spawn(ask_around(Arc::clone(&inner)));
        inner.tasks.spawn(look_after(Arc::clone(&inner)));
        Ok(Self(inner))
    }

    /// Registers an agent, as `POST /admin/service-agents` does.
    pub async fn add_agent(&self, body: serde_json::Value) -> Result<(), StartError> {
        let added = self.0.agents.add(body, self.0.now()).await;
        added.map(drop).map_err(|error| StartError::Orchestrator(error.to_string()))
    }

    /// Adds a person, as `POST /admin/people` does; their API key, which is kept nowhere.
    pub async fn add_person(&self, id: AppId) -> Result<String, StartError> {
        let added = self.0.people.add(&self.0.keys, (id, None), self.0.now()).await;
        let added = added.map_err(|error| StartError::Orchestrator(error.to_string()))?;
        Ok(added["token"].as_str().unwrap_or_default().to_owned())
    }

    pub(super) fn inner(&self) -> &Arc<Inner> {
        &self.0
    }

    /// The longest message that a connection takes, in bytes.
    pub(crate) fn frame_bytes_max(&self) -> usize {
        self.0.limits.frame_bytes_max.saturating_mul(FRAME_SLACK)
    }

    /// Serves a connection to its end.
    pub(crate) async fn serve(
        &self,
        (session, token): (&str, Option<&str>),
        socket: Socket,
        limits: &Limits,
        ends: (CancellationToken, CancellationToken),
    ) -> Ending {
        let outbox = Arc::new(Outbox::new(limits.queue_bytes_max));
        let link = match Link::to(&self.0, session, token, &outbox).await {
            Ok(link) => link,
            Err(refused) => {
                let words = refused.kind.map(|(kind, why)| say::error(kind, why));
                outbox.end(words, refused.code);
                Link::deaf()
            }
        };
        runtime::run(socket, &link, &outbox, limits, ends).await
    }

    /// Ends its tasks, once its connections are gone.
    pub(crate) async fn stop(&self) {
        let inner = &self.0;
        inner.works.close();
        if timeout(LAST_STEPS, inner.works.wait()).await.is_err() {
            tracing::info!(left = inner.works.len(), "sessions are left for whoever comes next");
        }
        inner.stop.cancel();
        inner.works.wait().await;
        inner.tasks.close();
        inner.tasks.wait().await;
        if inner.shared
            && let Err(error) = inner.notes.remove((Topic::Nodes, &inner.node.to_string())).await
        {
            tracing::debug!(%error, "others will see by themselves that this broker is gone");
        }
    }
}

impl std::fmt::Debug for Orchestrator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Orchestrator").field("brain", &self.0.brain).finish_non_exhaustive()
    }
}

async fn be_there(inner: Arc<Inner>) {
    let mut turns = interval(SIGN_EVERY);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while inner.stop.run_until_cancelled(turns.tick()).await.is_some() {
        if let Err(error) = inner.give_sign().await {
            tracing::warn!(%error, "other brokers are not told that this one is at work");
        }
    }
}

/// Sees to it that agents are asked how they are.
async fn ask_around(inner: Arc<Inner>) {
    let often = inner.limits.health_every / 10;
    let mut turns = interval(often.clamp(ASK_EVERY.0, ASK_EVERY.1));
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while inner.stop.run_until_cancelled(turns.tick()).await.is_some() {
        let asking = inner.agents.ask_around(inner.now());
        if let Some(Err(error)) = inner.stop.run_until_cancelled(asking).await {
            tracing::warn!(%error, "agents are not asked how they are");
        }
    }
}

/// Takes up sessions that a broker which is gone has left undone.
async fn look_after(inner: Arc<Inner>) {
    let mut turns = interval(LOOK_EVERY);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while inner.stop.run_until_cancelled(turns.tick()).await.is_some() {
        if let Err(error) = inner.agents.tell_payees(inner.now()).await {
            tracing::warn!(%error, "whoever settles does not know of changed agents yet");
        }
        let left = match inner.notes.list(Topic::Unfinished, inner.now()).await {
            Ok(left) => left,
            Err(error) => {
                tracing::warn!(%error, "sessions that were left undone cannot be looked for");
                continue;
            }
        };
        for (session, _) in left {
            if let Err(error) = look_at(&inner, &session).await {
                tracing::warn!(%error, session, "a session that was left undone waits");
            }
        }
    }
}

async fn look_at(inner: &Arc<Inner>, session: &str) -> Result<(), StoreError> {
    if !link::take_up(inner, session).await? {
        inner.notes.remove((Topic::Unfinished, session)).await?;
    }
    Ok(())
}
