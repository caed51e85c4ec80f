//! What all connections of a bridge share.

use super::audit::Audit;
use super::bus::{Bus, News, Notice};
use super::directory::Directory;
use super::hub::Hub;
use super::id::{AgentId, AppId, ConnectionId, NodeId};
use super::limits::BridgeLimits;
use super::say;
use crate::log::Log;
use crate::notes::{Notes, Topic};
use crate::runtime::{Bucket, Part};
use crate::store::StoreError;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast;
use tollwire_ledger::{Clock, Timestamp};
use tollwire_x402::close::CloseCode;

/// How long other nodes believe that a connection is open without being told again.
pub(super) const PRESENCE_TTL: Duration = Duration::from_secs(9);

/// The state of a bridge.
pub(crate) struct Inner {
    pub(crate) node: NodeId,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) notes: Arc<dyn Notes>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: BridgeLimits,
    pub(crate) directory: Directory,
    pub(crate) hub: Hub,
    pub(crate) audit: Audit,
    /// Word from other nodes for what else lives in the broker; `None` if some may have been missed.
    pub(crate) words: broadcast::Sender<Option<String>>,
    pub(super) buckets: Mutex<HashMap<AppId, Vec<Bucket>>>,
    pub(super) connections: AtomicU64,
}

impl Inner {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A name for a new connection.
    pub(crate) fn connection(&self) -> ConnectionId {
        ConnectionId { node: self.node, number: self.connections.fetch_add(1, Ordering::Relaxed) }
    }

    /// Whether an agent is connected, here or elsewhere.
    pub(crate) async fn is_online(&self, agent: &AgentId) -> bool {
        if self.hub.agent(agent).is_some() {
            return true;
        }
        if !self.bus.is_shared() {
            return false;
        }
        let owner = self.notes.get((Topic::Owners, agent.as_str()), self.now()).await;
        owner.is_ok_and(|owner| owner.is_some())
    }

    /// Whether a connection is open, as far as that can be known.
    pub(crate) async fn is_open(&self, app: &AppId, id: ConnectionId) -> bool {
        if id.node == self.node {
            return self.hub.app(app, id).is_some();
        }
        if !self.bus.is_shared() {
            return false;
        }
        let present = self.notes.get((Topic::Connections, &id.to_string()), self.now()).await;
        // If nobody knows, it is left alone: it will be asked again.
        present.map_or(true, |present| present.is_some())
    }

    /// Whether one more event of an app's is within its rates; if not, when it will be.
    pub(crate) fn admit(&self, app: &super::registry::App) -> Result<(), Duration> {
        let now = self.now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let own = [app.events_per_minute, app.events_per_hour];
        let rates = self.limits.app_events.iter().zip(own).map(|(rate, own)| {
            let mut rate = *rate;
            rate.count = own.unwrap_or(rate.count);
            rate
        });
        let known = buckets
            .entry(app.id.clone())
            .or_insert_with(|| rates.clone().map(|rate| Bucket::new(rate, now)).collect());
        if known.iter().map(Bucket::rate).ne(rates.clone()) {
            *known = rates.map(|rate| Bucket::new(rate, now)).collect();
        }
        let wait = known.iter_mut().map(|bucket| bucket.wait(now)).max().unwrap_or_default();
        if !wait.is_zero() {
            return Err(wait);
        }
        known.iter_mut().for_each(Bucket::take);
        Ok(())
    }

    async fn tell(&self, to: Option<NodeId>, notice: &Notice) -> bool {
        if !self.bus.is_shared() {
            return false;
        }
        match self.bus.send(to, notice.to_bytes()).await {
            Ok(taken) => taken,
            Err(error) => {
                tracing::debug!(%error, "other nodes are told nothing: they will look by themselves");
                false
            }
        }
    }

    /// Makes whoever has an agent's connection look for events.
    pub(crate) async fn wake_agent(&self, agent: &AgentId) {
        match self.hub.agent(agent) {
            Some(seat) => seat.wake.notify_one(),
            None => drop(self.tell(None, &Notice::Event { agent: agent.clone() }).await),
        }
    }

    /// Makes a connection look for its answer, or if it is gone any other of its app's.
    pub(crate) async fn wake_app(&self, app: &AppId, to: ConnectionId) {
        let reached = if to.node == self.node {
            self.hub.app(app, to).map(|seat| seat.wake.notify_one()).is_some()
        } else {
            self.tell(Some(to.node), &Notice::Answer { app: app.clone(), to }).await
        };
        if !reached {
            self.orphaned(app).await;
        }
    }

    /// Answers for an app have lost their connection: any other may take them.
    pub(crate) async fn orphaned(&self, app: &AppId) {
        self.hub.apps_of(app).iter().for_each(|seat| seat.look_back());
        self.tell(None, &Notice::Orphans { app: app.clone() }).await;
    }

    /// Passes on what is kept nowhere, to the node of a connection of an app's: part of an answer, or that one is coming.
    pub(crate) async fn pass(&self, to: ConnectionId, notice: Notice) {
        if to.node == self.node || !self.bus.is_shared() {
            self.act(notice);
        } else {
            self.tell(Some(to.node), &notice).await;
        }
    }

    /// An agent has a new connection: older ones, here and elsewhere, end.
    pub(crate) async fn taken(&self, agent: &AgentId, by: ConnectionId) {
        self.tell(None, &Notice::Taken { agent: agent.clone(), by }).await;
    }

    /// Registrations have changed: live connections that are not good any more end.
    pub(crate) async fn registered(&self) {
        self.drop_the_revoked();
        self.tell(None, &Notice::Registered).await;
    }

    /// Tells what else lives in the broker, on all other nodes.
    pub(crate) async fn tell_word(&self, text: String) {
        self.tell(None, &Notice::Word { text }).await;
    }

    /// Closes connections whose token is not good any more.
    pub(crate) fn drop_the_revoked(&self) {
        use super::token::Party;
        let (registry, now) = (self.directory.present(), self.now());
        for seat in self.hub.all_apps() {
            if !registry.knows(&Party::App(seat.app.clone()), &seat.token, now) {
                seat.outbox.cut(CloseCode::Unauthorized);
            }
        }
        for seat in self.hub.all_agents() {
            if !registry.knows(&Party::Agent(seat.agent.clone()), &seat.token, now) {
                seat.outbox.cut(CloseCode::Unauthorized);
            }
        }
    }

    /// Has every connection look into the log.
    pub(crate) fn wake_all(&self) {
        self.hub.all_apps().iter().for_each(|seat| seat.look_back());
        self.hub.all_agents().iter().for_each(|seat| seat.wake.notify_one());
    }

    /// What came over the bus. Whether registrations should be looked at again.
    pub(crate) fn hear(&self, news: &News) -> bool {
        let News::Notice(bytes) = news else {
            self.wake_all();
            self.pass_word(None);
            return true;
        };
        let Some(notice) = Notice::from_bytes(bytes) else {
            tracing::warn!("a notice of another build's was not understood");
            return false;
        };
        self.act(notice)
    }

    /// Does what a notice asks for. Whether registrations should be looked at again.
    fn act(&self, notice: Notice) -> bool {
        match notice {
            Notice::Event { agent } => {
                if let Some(seat) = self.hub.agent(&agent) {
                    seat.wake.notify_one();
                }
            }
            Notice::Answer { app, to } => match self.hub.app(&app, to) {
                Some(seat) => seat.wake.notify_one(),
                None => self.hub.apps_of(&app).iter().for_each(|seat| seat.look_back()),
            },
            Notice::Orphans { app } => self.hub.apps_of(&app).iter().for_each(|seat| seat.look_back()),
            Notice::Token { app, to, event, agent, text } => {
                if let Some(seat) = self.hub.app_or_newest(&app, to) {
                    seat.outbox.part(Part { of: format!("{event} {agent}"), text, write: write_token });
                }
            }
            Notice::Typing { app, to, event, agent, on } => {
                let wanted = self.directory.present().apps.get(&app).is_some_and(|app| app.typing);
                if let Some(seat) = self.hub.app_or_newest(&app, to).filter(|_| wanted) {
                    seat.outbox.say(say::typing(event.as_str(), agent.as_str(), on));
                }
            }
            Notice::Taken { agent, by } => {
                if let Some(seat) = self.hub.agent(&agent).filter(|seat| seat.id != by) {
                    seat.outbox.cut(CloseCode::Replaced);
                }
            }
            Notice::Word { text } => self.pass_word(Some(text)),
            Notice::Registered => return true,
        }
        false
    }

    /// Passes on word to whoever listens; where nobody does, it is for nobody.
    fn pass_word(&self, word: Option<String>) {
        drop(self.words.send(word));
    }

    /// Tells other nodes that a connection is open, for a while.
    pub(crate) async fn show(&self, topic: Topic, name: &str, id: ConnectionId) -> Result<(), StoreError> {
        if !self.bus.is_shared() {
            return Ok(());
        }
        self.notes.put((topic, name), id.to_string().into(), Some(self.now().after(PRESENCE_TTL))).await
    }

    /// Tells other nodes that a connection is not open any more.
    pub(crate) async fn hide(&self, topic: Topic, name: &str) {
        if self.bus.is_shared()
            && let Err(error) = self.notes.remove((topic, name)).await
        {
            tracing::debug!(%error, "a closed connection will be forgotten by itself");
        }
    }
}

fn write_token(of: &str, text: &str) -> String {
    let (event, agent) = of.split_once(' ').unwrap_or((of, ""));
    say::token(event, agent, text)
}
