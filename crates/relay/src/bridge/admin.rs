//! What an operator does with registrations, and the audit log's export.

use super::audit::{AuditEntry, What};
use super::directory::{Registered, RegistrationError};
use super::id::{AgentId, AppId};
use super::record::{AUDIT, answers_of, events_of};
use super::registry::{Agent, App, KeptToken, Offline};
use super::start::Bridge;
use super::token::{NewToken, Party};
use crate::log::{Depth, Entry};
use crate::store::StoreError;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Bytes of the audit log that are exported at once.
const AUDIT_BYTES: usize = 256 * 1024;

/// What an operator says of an app; what is left out stays.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AppBody {
    pub(crate) id: Option<AppId>,
    org: Option<String>,
    echo_payload: Option<bool>,
    typing: Option<bool>,
    events_per_minute: Option<u32>,
    events_per_hour: Option<u32>,
    connections: Option<usize>,
}

/// What an operator says of an agent; what is left out stays.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentBody {
    pub(crate) id: Option<AgentId>,
    name: Option<String>,
    description: Option<String>,
    org: Option<String>,
    allow: Option<Vec<AppId>>,
    offline: Option<Offline>,
}

impl AppBody {
    fn apply(&self, app: &mut App) {
        if let Some(org) = &self.org {
            app.org.clone_from(org);
        }
        app.echo_payload = self.echo_payload.unwrap_or(app.echo_payload);
        app.typing = self.typing.unwrap_or(app.typing);
        app.events_per_minute = self.events_per_minute.or(app.events_per_minute);
        app.events_per_hour = self.events_per_hour.or(app.events_per_hour);
        app.connections = self.connections.or(app.connections);
    }
}

impl AgentBody {
    fn apply(&self, agent: &mut Agent) {
        if let Some(name) = &self.name {
            agent.name.clone_from(name);
        }
        if let Some(description) = &self.description {
            agent.description.clone_from(description);
        }
        if let Some(org) = &self.org {
            agent.org.clone_from(org);
        }
        if let Some(allow) = &self.allow {
            agent.allow.clone_from(allow);
        }
        agent.offline = self.offline.unwrap_or(agent.offline);
    }
}

impl Bridge {
    /// Registers an app. Its token is shown this once.
    pub(crate) async fn add_app(&self, id: AppId, body: AppBody) -> Result<Value, RegistrationError> {
        let mut app = App::new(id);
        body.apply(&mut app);
        self.add(Registered::App(app)).await
    }

    /// Registers an agent. Its token is shown this once.
    pub(crate) async fn add_agent(&self, id: AgentId, body: AgentBody) -> Result<Value, RegistrationError> {
        let mut agent = Agent::new(id);
        body.apply(&mut agent);
        self.add(Registered::Agent(agent)).await
    }

    async fn add(&self, entry: Registered) -> Result<Value, RegistrationError> {
        let inner = self.inner();
        let party = entry.party();
        let token = inner.directory.add(entry.clone(), inner.now()).await?;
        self.changed(&party, "added").await;
        Ok(shown(self.view(&party), Some(&token)))
    }

    /// Changes an app; its events obey at once.
    pub(crate) async fn amend_app(&self, id: AppId, body: AppBody) -> Result<Value, RegistrationError> {
        self.amend(&Party::App(id), |entry| {
            if let Registered::App(app) = entry {
                body.apply(app);
            }
        })
        .await
    }

    /// Changes an agent; who may send to it is another at once.
    pub(crate) async fn amend_agent(&self, id: AgentId, body: AgentBody) -> Result<Value, RegistrationError> {
        self.amend(&Party::Agent(id), |entry| {
            if let Registered::Agent(agent) = entry {
                body.apply(agent);
            }
        })
        .await
    }

    async fn amend(
        &self,
        party: &Party,
        amend: impl Fn(&mut Registered) + Send,
    ) -> Result<Value, RegistrationError> {
        let inner = self.inner();
        inner.directory.amend(party, inner.now(), amend).await?;
        self.changed(party, "amended").await;
        Ok(shown(self.view(party), None))
    }

    /// Gives somebody another token; older ones stay good for a while.
    pub(crate) async fn rotate(&self, party: &Party) -> Result<Value, RegistrationError> {
        let inner = self.inner();
        let token = inner.directory.rotate(party, inner.limits.token_overlap, inner.now()).await?;
        self.changed(party, "rotated").await;
        Ok(shown(self.view(party), Some(&token)))
    }

    /// Makes all tokens of somebody's worthless; their connections end within a second.
    pub(crate) async fn revoke(&self, party: &Party) -> Result<Value, RegistrationError> {
        let inner = self.inner();
        inner.directory.revoke(party, inner.now()).await?;
        self.changed(party, "revoked").await;
        Ok(shown(self.view(party), None))
    }

    /// Forgets somebody; their connections end within a second.
    pub(crate) async fn remove(&self, party: &Party) -> Result<(), RegistrationError> {
        let inner = self.inner();
        inner.directory.remove(party, inner.now()).await?;
        self.changed(party, "removed").await;
        Ok(())
    }

    async fn changed(&self, party: &Party, how: &str) {
        let inner = self.inner();
        let entry = AuditEntry::new(What::Registration, inner.now()).code(how);
        inner
            .audit
            .note(match party {
                Party::App(id) => entry.app(id),
                Party::Agent(id) => entry.agent(id),
            })
            .await;
        inner.registered().await;
    }

    /// What is registered of somebody, without what proves it.
    pub(crate) fn view(&self, party: &Party) -> Option<Value> {
        let inner = self.inner();
        let registry = inner.directory.present();
        match party {
            Party::App(id) => registry.apps.get(id).map(|app| {
                json!({
                    "id": app.id, "org": app.org, "echo_payload": app.echo_payload, "typing": app.typing,
                    "events_per_minute": app.events_per_minute, "events_per_hour": app.events_per_hour,
                    "connections": app.connections, "connected": inner.hub.count(id),
                    "tokens": tokens(&app.tokens), "in_file": inner.directory.is_in_file(party),
                })
            }),
            Party::Agent(id) => registry.agents.get(id).map(|agent| {
                json!({
                    "id": agent.id, "name": agent.name, "description": agent.description, "org": agent.org,
                    "allow": agent.allow, "offline": agent.offline,
                    "connected": usize::from(inner.hub.agent(id).is_some()),
                    "tokens": tokens(&agent.tokens), "in_file": inner.directory.is_in_file(party),
                })
            }),
        }
    }

    /// All apps.
    pub(crate) fn apps(&self) -> Vec<Value> {
        let registry = self.inner().directory.present();
        registry.apps.keys().filter_map(|id| self.view(&Party::App(id.clone()))).collect()
    }

    /// All agents.
    pub(crate) fn agents(&self) -> Vec<Value> {
        let registry = self.inner().directory.present();
        registry.agents.keys().filter_map(|id| self.view(&Party::Agent(id.clone()))).collect()
    }

    /// Conversations that go on.
    pub(crate) async fn sessions(&self) -> Result<Value, StoreError> {
        Ok(json!({ "sessions": self.inner().conversations().await? }))
    }

    /// What waits for whom: events for each agent, answers for each app.
    pub(crate) async fn queues(&self) -> Result<Value, StoreError> {
        let inner = self.inner();
        let registry = inner.directory.present();
        let (mut agents, mut apps) = (Map::new(), Map::new());
        for id in registry.agents.keys() {
            agents.insert(id.to_string(), depth(inner.log.depth(&events_of(id)).await?));
        }
        for id in registry.apps.keys() {
            apps.insert(id.to_string(), depth(inner.log.depth(&answers_of(id)).await?));
        }
        Ok(json!({ "agents": agents, "apps": apps }))
    }

    /// Entries of the audit log after a number, a line of JSON each.
    pub(crate) async fn audit(&self, after: u64) -> Result<String, StoreError> {
        let entries = self.inner().log.read(AUDIT, after, AUDIT_BYTES).await?;
        Ok(entries.iter().map(line).collect())
    }

    /// The newest entries of the audit log, at most so many, oldest first.
    pub(crate) async fn audit_newest(&self, count: u64) -> Result<String, StoreError> {
        let log = &self.inner().log;
        let held = log.depth(AUDIT).await?.count;
        let Some(oldest) = log.read(AUDIT, 0, 1).await?.first().map(|entry| entry.seq) else {
            return Ok(String::new());
        };
        // Numbers follow each other: of this log only the oldest entries are ever forgotten.
        let mut after = oldest.saturating_add(held).saturating_sub(count.saturating_add(1));
        let mut found = Vec::new();
        // What is written meanwhile is for the next look.
        while u64::try_from(found.len()).is_ok_and(|read| read < count) {
            let entries = log.read(AUDIT, after, AUDIT_BYTES).await?;
            let Some(last) = entries.last() else { break };
            after = last.seq;
            found.extend(entries.iter().map(line));
        }
        Ok(found.concat())
    }
}

fn depth(depth: Depth) -> Value {
    json!({ "count": depth.count, "bytes": depth.bytes })
}

/// An entry is a JSON object; its number becomes its first member.
fn line(entry: &Entry) -> String {
    let text = String::from_utf8_lossy(&entry.body);
    let members = text.strip_prefix('{').unwrap_or("}");
    format!("{{\"seq\":{},{members}\n", entry.seq)
}

/// Until when each token is good: in milliseconds since the epoch, `null` until it is revoked.
fn tokens(tokens: &[KeptToken]) -> Vec<Value> {
    tokens
        .iter()
        .map(|token| json!({ "until": token.until.map(tollwire_ledger::Timestamp::millis) }))
        .collect()
}

fn shown(view: Option<Value>, token: Option<&NewToken>) -> Value {
    let mut view = view.unwrap_or_default();
    if let (Some(members), Some(token)) = (view.as_object_mut(), token) {
        members.insert("token".to_owned(), json!(token.reveal()));
    }
    view
}
