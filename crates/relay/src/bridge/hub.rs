//! The connections of this node.

use super::id::{AgentId, AppId, ConnectionId};
use super::token::TokenHash;
use crate::runtime::Outbox;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// An app's connection.
#[derive(Debug)]
pub(crate) struct AppSeat {
    pub(crate) id: ConnectionId,
    pub(crate) app: AppId,
    /// What it has proved itself with.
    pub(crate) token: TokenHash,
    pub(crate) outbox: Arc<Outbox>,
    /// There may be answers for it.
    pub(crate) wake: Notify,
    /// There may be some among those it has seen before.
    look_back: AtomicBool,
    /// The last probe that came back.
    arrived: AtomicU64,
    came_back: Notify,
}

/// An agent's connection.
#[derive(Debug)]
pub(crate) struct AgentSeat {
    pub(crate) id: ConnectionId,
    pub(crate) agent: AgentId,
    /// What it has proved itself with.
    pub(crate) token: TokenHash,
    pub(crate) outbox: Arc<Outbox>,
    /// There may be events for it.
    pub(crate) wake: Notify,
}

impl AppSeat {
    pub(crate) fn new(id: ConnectionId, app: AppId, token: TokenHash, outbox: Arc<Outbox>) -> Self {
        Self {
            id,
            app,
            token,
            outbox,
            wake: Notify::new(),
            look_back: AtomicBool::new(true),
            arrived: AtomicU64::new(0),
            came_back: Notify::new(),
        }
    }

    /// A probe has come back.
    pub(crate) fn arrived(&self, probe: u64) {
        self.arrived.store(probe, Ordering::Release);
        self.came_back.notify_one();
    }

    /// Waits until another probe has come back; which one. For one caller at a time.
    pub(crate) async fn came_back(&self) -> u64 {
        self.came_back.notified().await;
        self.arrived.load(Ordering::Acquire)
    }

    /// Has it look through all answers of its app again.
    pub(crate) fn look_back(&self) {
        self.look_back.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Whether it should, asked once.
    pub(crate) fn should_look_back(&self) -> bool {
        self.look_back.swap(false, Ordering::AcqRel)
    }
}

/// All connections of this node.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    /// In the order in which they came.
    apps: Mutex<HashMap<AppId, Vec<Arc<AppSeat>>>>,
    agents: Mutex<HashMap<AgentId, Arc<AgentSeat>>>,
    /// Up to where agents were given their events here: known before the log has noted it.
    given: Mutex<HashMap<AgentId, u64>>,
    /// Which connection here has taken on an answer that was another's.
    claims: Mutex<HashMap<(AppId, u64), ConnectionId>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// Takes an app's connection in, if it has fewer than `max`.
    pub(crate) fn join_app(&self, seat: &Arc<AppSeat>, max: usize) -> bool {
        let mut apps = locked(&self.apps);
        let seats = apps.entry(seat.app.clone()).or_default();
        let room = seats.len() < max;
        if room {
            seats.push(Arc::clone(seat));
        }
        room
    }

    /// How many connections an app has.
    pub(crate) fn count(&self, app: &AppId) -> usize {
        locked(&self.apps).get(app).map_or(0, Vec::len)
    }

    pub(crate) fn leave_app(&self, seat: &AppSeat) {
        let mut apps = locked(&self.apps);
        if let Entry::Occupied(mut seats) = apps.entry(seat.app.clone()) {
            seats.get_mut().retain(|other| other.id != seat.id);
            if seats.get().is_empty() {
                seats.remove();
            }
        }
        drop(apps);
        locked(&self.claims).retain(|_, holder| *holder != seat.id);
    }

    /// A connection of an app, if it is still open.
    pub(crate) fn app(&self, app: &AppId, id: ConnectionId) -> Option<Arc<AppSeat>> {
        locked(&self.apps).get(app)?.iter().find(|seat| seat.id == id).cloned()
    }

    /// The same, or the app's newest.
    pub(crate) fn app_or_newest(&self, app: &AppId, id: ConnectionId) -> Option<Arc<AppSeat>> {
        let apps = locked(&self.apps);
        let seats = apps.get(app)?;
        seats.iter().find(|seat| seat.id == id).or_else(|| seats.last()).cloned()
    }

    /// Every connection of an app.
    pub(crate) fn apps_of(&self, app: &AppId) -> Vec<Arc<AppSeat>> {
        locked(&self.apps).get(app).cloned().unwrap_or_default()
    }

    /// Every app's connection.
    pub(crate) fn all_apps(&self) -> Vec<Arc<AppSeat>> {
        locked(&self.apps).values().flatten().cloned().collect()
    }

    /// Gives an agent its connection. The one that it replaces.
    pub(crate) fn join_agent(&self, seat: &Arc<AgentSeat>) -> Option<Arc<AgentSeat>> {
        locked(&self.agents).insert(seat.agent.clone(), Arc::clone(seat))
    }

    /// Forgets an agent's connection, unless it has another by now. Whether it had this.
    pub(crate) fn leave_agent(&self, seat: &AgentSeat) -> bool {
        let mut agents = locked(&self.agents);
        let ours = agents.get(&seat.agent).is_some_and(|other| other.id == seat.id);
        if ours {
            agents.remove(&seat.agent);
        }
        ours
    }

    /// An agent's connection.
    pub(crate) fn agent(&self, agent: &AgentId) -> Option<Arc<AgentSeat>> {
        locked(&self.agents).get(agent).cloned()
    }

    /// An agent is given the event of this number; whether it was given that, or a later one, before.
    pub(crate) fn give(&self, agent: &AgentId, seq: u64) -> bool {
        let mut given = locked(&self.given);
        let last = given.entry(agent.clone()).or_default();
        let before = seq <= *last;
        *last = seq.max(*last);
        before
    }

    /// Every agent's connection.
    pub(crate) fn all_agents(&self) -> Vec<Arc<AgentSeat>> {
        locked(&self.agents).values().cloned().collect()
    }

    /// Takes on an answer whose own connection is gone, unless another that is open has done so.
    pub(crate) fn claim(&self, seat: &AppSeat, seq: u64) -> bool {
        let mut claims = locked(&self.claims);
        match claims.entry((seat.app.clone(), seq)) {
            Entry::Vacant(free) => {
                free.insert(seat.id);
                true
            }
            Entry::Occupied(taken) => *taken.get() == seat.id,
        }
    }

    /// An answer has arrived.
    pub(crate) fn settled(&self, app: &AppId, seq: u64) {
        locked(&self.claims).remove(&(app.clone(), seq));
    }
}

#[cfg(test)]
mod tests {
    use super::super::id::NodeId;
    use super::super::token::{Party, TokenKey};
    use super::*;

    fn seat(number: u64) -> Arc<AppSeat> {
        let app: AppId = "portal".parse().unwrap();
        let key = TokenKey::new(&"k".repeat(32)).unwrap();
        let (_, hash) = key.issue(&Party::App(app.clone())).unwrap();
        let id = ConnectionId { node: NodeId(1), number };
        Arc::new(AppSeat::new(id, app, hash, Arc::new(Outbox::new(100))))
    }

    #[test]
    fn an_answer_without_its_connection_has_one_taker_at_a_time() {
        let hub = Hub::default();
        let (one, two) = (seat(1), seat(2));
        assert!(hub.join_app(&one, 2) && hub.join_app(&two, 2) && !hub.join_app(&seat(3), 2));
        assert!(hub.claim(&one, 7) && hub.claim(&one, 7) && !hub.claim(&two, 7));
        hub.leave_app(&one);
        assert!(hub.claim(&two, 7), "its taker is gone");
        hub.settled(&two.app, 7);
        assert!(hub.app(&one.app, one.id).is_none());
        assert_eq!(hub.app_or_newest(&one.app, one.id).unwrap().id, two.id);
        hub.leave_app(&two);
        assert_eq!(hub.count(&two.app), 0);
    }
}
