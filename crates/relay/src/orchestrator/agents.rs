//! The registered agents: kept as notes, and what each says of itself, asked when it is needed and believed for a while.

use super::agent::{Action, Capabilities, ServiceAgent, Wrong, is_healthy};
use super::health::{Health, Watch};
use super::ids;
use super::limits::OrchestratorLimits;
use crate::Payments;
use crate::bridge::Inside;
use crate::call::{Fetched, Payees, Upstream};
use crate::notes::{Notes, Topic, amend};
use crate::store::{Rows, StoreError};
use crate::telemetry;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use http::HeaderMap;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;
use tollwire_ledger::Timestamp;
use tollwire_x402::{ApiId, Network, Usdc};

/// Agents that are asked at once how they are.
const ASKED_AT_ONCE: usize = 16;

/// Why an agent is not registered, changed or removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    /// There is one of this slug.
    #[error("there is an agent of this slug already")]
    Exists,
    /// There is none.
    #[error("there is no agent of this slug")]
    Unknown,
    /// It cannot be registered as it is written.
    #[error("{0}")]
    Malformed(String),
    /// There are too many.
    #[error("there are as many agents as may be registered")]
    TooMany,
    /// The store did not take it.
    #[error("the store: {0}")]
    Store(#[from] StoreError),
}

impl From<Wrong> for AgentError {
    fn from(wrong: Wrong) -> Self {
        Self::Malformed(wrong.to_string())
    }
}

/// All of them.
pub(super) struct Agents {
    notes: Arc<dyn Notes>,
    upstream: Arc<Upstream>,
    inside: Arc<Inside>,
    limits: OrchestratorLimits,
    /// Wallets that nobody is paid at; `None` if nobody settles signed payments.
    own_wallets: Option<BTreeMap<Network, String>>,
    payees: Option<Payees>,
    seen: Mutex<HashMap<ApiId, Seen>>,
    watch: Watch,
}

/// What was last seen of an agent here.
#[derive(Debug, Clone, Default)]
struct Seen {
    healthy_until: Option<Instant>,
    actions: Option<(Instant, Vec<Action>)>,
}

impl Agents {
    pub(super) fn new(
        (notes, rows): (Arc<dyn Notes>, Arc<dyn Rows>),
        upstream: Arc<Upstream>,
        inside: Arc<Inside>,
        limits: OrchestratorLimits,
        payments: Option<&Payments>,
    ) -> Self {
        let watch = Watch::new(rows, &limits);
        let own_wallets = payments.map(|payments| payments.own_wallets.clone());
        let payees = payments.and_then(|payments| payments.payees.clone());
        Self { notes, upstream, inside, limits, own_wallets, payees, seen: Mutex::default(), watch }
    }

    /// Tells whoever settles which wallets agents are paid at.
    pub(super) async fn tell_payees(&self, now: Timestamp) -> Result<(), StoreError> {
        if let Some(payees) = &self.payees {
            let all = self.all(now).await?;
            payees(all.iter().flat_map(|agent| agent.pay_to.values().cloned()).collect());
        }
        Ok(())
    }

    fn read(&self, body: Value) -> Result<ServiceAgent, AgentError> {
        let agent: ServiceAgent =
            serde_json::from_value(body).map_err(|error| AgentError::Malformed(error.to_string()))?;
        agent.check()?;
        match (agent.payable(Usdc::ZERO), &self.own_wallets) {
            (Some(_), None) => {
                let why = "pay_to: nobody settles here; configure a facilitator or [[chain]]";
                return Err(AgentError::Malformed(why.to_owned()));
            }
            (Some(price), Some(own)) => {
                price.check_payees(own).map_err(|error| AgentError::Malformed(error.to_string()))?;
            }
            (None, _) => {}
        }
        Ok(agent)
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<ApiId, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of them.
    pub(super) async fn get(&self, slug: &str, now: Timestamp) -> Result<Option<ServiceAgent>, StoreError> {
        let found = self.notes.get((Topic::ServiceAgents, slug), now).await?;
        found.map(|agent| read(slug, &agent)).transpose()
    }

    /// All of them, in the order of their slugs.
    pub(super) async fn all(&self, now: Timestamp) -> Result<Vec<ServiceAgent>, StoreError> {
        let all = self.notes.list(Topic::ServiceAgents, now).await?;
        Ok(all.iter().filter_map(|(_, agent)| serde_json::from_slice(agent).ok()).collect())
    }

    /// Registers one.
    pub(super) async fn add(&self, body: Value, now: Timestamp) -> Result<ServiceAgent, AgentError> {
        let mut agent = self.read(body)?;
        (agent.created, agent.key_version) = (now, 0);
        if self.all(now).await?.len() >= self.limits.agents_max {
            return Err(AgentError::TooMany);
        }
        let claimed =
            self.notes.claim((Topic::ServiceAgents, agent.slug.as_str()), written(&agent), None, now);
        if !claimed.await? {
            return Err(AgentError::Exists);
        }
        self.tell_payees(now).await?;
        self.begin_anew(&agent, now).await?;
        Ok(agent)
    }

    /// Changes one; what is left out stays. `rotate` gives it another key.
    pub(super) async fn amend(
        &self,
        slug: &ApiId,
        (patch, rotate): (&Value, bool),
        now: Timestamp,
    ) -> Result<ServiceAgent, AgentError> {
        let agent = amend(&*self.notes, (Topic::ServiceAgents, slug.as_str()), now, |was| {
            let before: ServiceAgent = read(slug.as_str(), was)?;
            let mut whole = serde_json::to_value(&before).unwrap_or_default();
            for (name, value) in patch.as_object().into_iter().flatten() {
                whole[name] = value.clone();
            }
            let mut agent = self.read(whole)?;
            if agent.slug != *slug {
                return Err(AgentError::Malformed("slug: an agent keeps its slug".to_owned()));
            }
            (agent.created, agent.key_version) = (before.created, before.key_version);
            if rotate {
                agent.key_version = agent.key_version.saturating_add(1);
            }
            Ok((written(&agent), agent))
        });
        let agent = agent.await?.ok_or(AgentError::Unknown)?;
        self.seen().remove(slug);
        self.tell_payees(now).await?;
        if !rotate {
            self.begin_anew(&agent, now).await?;
        }
        Ok(agent)
    }

    /// Removes one.
    pub(super) async fn remove(&self, slug: &ApiId, now: Timestamp) -> Result<(), AgentError> {
        self.get(slug.as_str(), now).await?.ok_or(AgentError::Unknown)?;
        self.notes.remove((Topic::ServiceAgents, slug.as_str())).await?;
        self.seen().remove(slug);
        Ok(self.watch.forget(slug).await?)
    }

    /// Whoever changes an agent has had a reason: what it was before does not count, and it is asked how it is now.
    async fn begin_anew(&self, agent: &ServiceAgent, now: Timestamp) -> Result<(), StoreError> {
        self.watch.forget(&agent.slug).await?;
        if agent.bridge_agent.is_none() {
            let well = self.ask(agent, now).await;
            tracing::debug!(agent = %agent.slug, well, "an agent is registered");
        }
        Ok(())
    }

    /// Whether an agent can work now.
    pub(super) async fn is_healthy(&self, agent: &ServiceAgent, now: Timestamp) -> bool {
        if let Some(on_bridge) = &agent.bridge_agent {
            return self.inside.is_online(on_bridge).await;
        }
        let known = self.seen().get(&agent.slug).and_then(|seen| seen.healthy_until);
        if known.is_some_and(|until| Instant::now() < until) {
            return true;
        }
        match self.watch.of(&agent.slug).await {
            Ok(health) if health.suspended.is_some() => return false,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "whether an agent is left out cannot be looked up"),
        }
        self.ask(agent, now).await
    }

    /// Asks an agent how it is, and notes that.
    async fn ask(&self, agent: &ServiceAgent, now: Timestamp) -> bool {
        let well = match agent.api() {
            Some(api) => {
                let asked =
                    self.upstream.fetch(&api, "/health", (HeaderMap::new(), None), self.limits.health);
                asked.await.ok().and_then(Fetched::good).is_some_and(|body| is_healthy(&body))
            }
            None => false,
        };
        let until = well.then(|| Instant::now() + self.limits.health_cache);
        self.seen().entry(agent.slug.clone()).or_default().healthy_until = until;
        if let Err(error) = self.watch.note(&agent.slug, well, now).await {
            tracing::warn!(%error, agent = %agent.slug, well, "how an agent is cannot be noted");
        }
        well
    }

    /// Asks those agents whose turn it is, if it is this broker that takes the turn.
    pub(super) async fn ask_around(&self, now: Timestamp) -> Result<(), StoreError> {
        let all = self.all(now).await?;
        self.watch.keep(|slug| all.iter().any(|agent| agent.slug == *slug));
        let over_http = all.iter().filter(|agent| agent.bridge_agent.is_none());
        let asking = stream::iter(over_http).for_each_concurrent(ASKED_AT_ONCE, |agent| async move {
            match self.watch.take_turn(&agent.slug, now).await {
                Ok(true) => drop(self.ask(agent, now).await),
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, agent = %agent.slug, "nobody asks how an agent is"),
            }
        });
        asking.await;
        telemetry::suspended(self.watch.suspended());
        Ok(())
    }

    /// What an agent can do; nothing if it does not say so.
    pub(super) async fn actions(&self, agent: &ServiceAgent) -> Vec<Action> {
        if !agent.actions.is_empty() {
            return agent.actions.clone();
        }
        let known = self.seen().get(&agent.slug).and_then(|seen| seen.actions.clone());
        if let Some((until, actions)) = known
            && Instant::now() < until
        {
            return actions;
        }
        let Some(api) = agent.api() else { return Vec::new() };
        let asked = self.upstream.fetch(&api, "/capabilities", (HeaderMap::new(), None), self.limits.health);
        let answer = asked.await.ok().and_then(Fetched::good);
        // One that says nothing is not asked any more often than one that does.
        let actions = answer.and_then(|body| Capabilities::read(&body)).unwrap_or_default();
        let until = Instant::now() + self.limits.health_cache;
        self.seen().entry(agent.slug.clone()).or_default().actions = Some((until, actions.clone()));
        actions
    }

    /// All agents that say what they can do and are not left out, with what they can do.
    pub(super) async fn catalogue(
        &self,
        now: Timestamp,
    ) -> Result<Vec<(ServiceAgent, Vec<Action>)>, StoreError> {
        let mut all = self.all(now).await?;
        all.retain(|agent| self.watch.last(&agent.slug).suspended.is_none());
        let actions = join_all(all.iter().map(|agent| self.actions(agent))).await;
        Ok(all.into_iter().zip(actions).filter(|(_, actions)| !actions.is_empty()).collect())
    }

    /// An agent, as everybody may see it.
    pub(super) async fn view(&self, agent: &ServiceAgent) -> Value {
        let (actions, health) = tokio::join!(self.actions(agent), self.watch.of(&agent.slug));
        shown(agent, &actions, &health.unwrap_or_else(|_| self.watch.last(&agent.slug)))
    }

    /// These agents, as everybody may see them.
    pub(super) async fn views(&self, agents: &[&ServiceAgent]) -> Vec<Value> {
        join_all(agents.iter().map(|agent| self.view(agent))).await
    }

    /// An agent, as the operator may see it.
    pub(super) async fn whole(&self, agent: &ServiceAgent) -> Value {
        let mut view = self.view(agent).await;
        if let Some(members) = view.as_object_mut() {
            members.insert("base_url".to_owned(), json!(agent.base_url));
            members.insert("allow_private".to_owned(), json!(agent.allow_private));
            members.insert("bridge_agent".to_owned(), json!(agent.bridge_agent));
            members.insert("pay_to".to_owned(), json!(agent.pay_to));
        }
        view
    }
}

fn shown(agent: &ServiceAgent, actions: &[Action], health: &Health) -> Value {
    let status = health.checked.map(|(_, well)| if well { "ok" } else { "unhealthy" });
    json!({
        "id": agent.id(), "slug": agent.slug, "name": agent.name, "description": agent.description,
        "category": agent.category, "agent_version": agent.agent_version,
        "actions": actions,
        "status": if health.suspended.is_some() { "suspended" } else { "active" },
        "suspended_at": health.suspended.map(ids::time),
        "last_health_check_at": health.checked.map(|(at, _)| ids::time(at)),
        "last_health_status": status,
        "consecutive_health_failures": health.failures,
        "created_at": ids::time(agent.created),
    })
}

fn read(slug: &str, agent: &[u8]) -> Result<ServiceAgent, StoreError> {
    serde_json::from_slice(agent).map_err(|error| StoreError::Corrupt(format!("agent {slug}: {error}")))
}

fn written(agent: &ServiceAgent) -> bytes::Bytes {
    serde_json::to_vec(agent).unwrap_or_default().into()
}
