//! The registrations that are in force: those of the file, and those of the store, which all nodes share.

use super::id::{AgentId, AppId};
use super::registry::{Agent, App, Registry};
use super::token::{NewToken, Party, TokenError, TokenKey};
use crate::notes::{Notes, Topic, amend};
use crate::store::StoreError;
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tollwire_ledger::Timestamp;

/// The one note of [`Topic::Revision`].
const PRESENT: &str = "present";

/// The registrations that are in force.
pub(crate) struct Directory {
    notes: Arc<dyn Notes>,
    key: TokenKey,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    /// What the file says.
    file: Registry,
    /// What the store says, and under which revision.
    stored: Registry,
    revision: Option<Bytes>,
    /// Apps of the broker's own.
    hosted: Registry,
    /// All of them.
    present: Arc<Registry>,
}

/// Why a registration is not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RegistrationError {
    /// There is one of this name.
    #[error("there is one of this name already")]
    Exists,
    /// There is none.
    #[error("there is none of this name")]
    Unknown,
    /// The file says what it is.
    #[error("it stands in the configuration file: change it there")]
    InFile,
    /// The store did not take it.
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    /// No token can be made.
    #[error("{0}")]
    Token(#[from] TokenError),
}

impl Directory {
    pub(crate) fn new(notes: Arc<dyn Notes>, key: TokenKey, file: Registry) -> Self {
        let directory = Self { notes, key, state: RwLock::default() };
        directory.configure(file);
        directory
    }

    /// All that are registered now.
    pub(crate) fn present(&self) -> Arc<Registry> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner).present)
    }

    /// The key that tokens are hashed with.
    pub(crate) fn key(&self) -> &TokenKey {
        &self.key
    }

    /// Whether somebody stands in the file.
    pub(crate) fn is_in_file(&self, party: &Party) -> bool {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        Registered::of(&state.file, party).is_some()
    }

    /// Takes over another file.
    pub(crate) fn configure(&self, file: Registry) {
        self.change(|state| state.file = file);
    }

    /// Knows an app of the broker's own, whatever else has its name.
    pub(crate) fn host(&self, app: App) {
        self.change(|state| drop(state.hosted.apps.insert(app.id.clone(), app)));
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        state.present = Arc::new(state.stored.clone().overlaid_by(&state.file).overlaid_by(&state.hosted));
    }

    /// Takes over what the store says, if that has changed. Whether it has.
    pub(crate) async fn refresh(&self, now: Timestamp) -> Result<bool, StoreError> {
        let revision = self.notes.get((Topic::Revision, PRESENT), now).await?;
        let known = self.state.read().unwrap_or_else(PoisonError::into_inner).revision == revision;
        if known {
            return Ok(false);
        }
        let apps: BTreeMap<AppId, App> = self.all(Topic::Apps, now, |app: &App| app.id.clone()).await?;
        let agents: BTreeMap<AgentId, Agent> =
            self.all(Topic::Agents, now, |agent: &Agent| agent.id.clone()).await?;
        self.change(|state| (state.stored, state.revision) = (Registry { apps, agents }, revision));
        Ok(true)
    }

    async fn all<K: Ord, T: DeserializeOwned>(
        &self,
        topic: Topic,
        now: Timestamp,
        id: fn(&T) -> K,
    ) -> Result<BTreeMap<K, T>, StoreError> {
        let mut all = BTreeMap::new();
        for (name, value) in self.notes.list(topic, now).await? {
            match serde_json::from_slice::<T>(&value) {
                Ok(one) => drop(all.insert(id(&one), one)),
                Err(error) => tracing::error!(%name, %error, "a registration cannot be read: it is left out"),
            }
        }
        Ok(all)
    }

    /// Registers somebody and makes their first token.
    pub(crate) async fn add(
        &self,
        mut entry: Registered,
        now: Timestamp,
    ) -> Result<NewToken, RegistrationError> {
        let party = entry.party();
        match self.find(&party) {
            Err(RegistrationError::Unknown) => {}
            Ok(_) | Err(_) => return Err(RegistrationError::Exists),
        }
        let (token, hash) = self.key.issue(&party)?;
        super::registry::rotate(entry.tokens(), hash, now, Duration::ZERO);
        let (topic, name) = place(&party);
        if !self.notes.claim((topic, &name), entry.to_bytes(), None, now).await? {
            return Err(RegistrationError::Exists);
        }
        self.announce(now).await?;
        Ok(token)
    }

    /// Makes another token; those before it stay good for `overlap`.
    pub(crate) async fn rotate(
        &self,
        party: &Party,
        overlap: Duration,
        now: Timestamp,
    ) -> Result<NewToken, RegistrationError> {
        let (token, hash) = self.key.issue(party)?;
        let more = |entry: &mut Registered| {
            super::registry::rotate(entry.tokens(), hash, now, overlap);
        };
        self.amend(party, now, more).await?;
        Ok(token)
    }

    /// Makes all tokens worthless at once.
    pub(crate) async fn revoke(&self, party: &Party, now: Timestamp) -> Result<(), RegistrationError> {
        self.amend(party, now, |entry| entry.tokens().clear()).await
    }

    /// Changes what the store says of somebody now, whatever this node knows: what another has revoked a moment ago stays
    /// revoked.
    pub(crate) async fn amend(
        &self,
        party: &Party,
        now: Timestamp,
        change: impl Fn(&mut Registered) + Send,
    ) -> Result<(), RegistrationError> {
        if self.is_in_file(party) {
            return Err(RegistrationError::InFile);
        }
        let (topic, name) = place(party);
        let changed = amend(&*self.notes, (topic, &name), now, |was| {
            let mut entry = Registered::read(party, was)?;
            change(&mut entry);
            Ok::<_, StoreError>((entry.to_bytes(), ()))
        });
        changed.await?.ok_or(RegistrationError::Unknown)?;
        Ok(self.announce(now).await?)
    }

    /// Forgets somebody.
    pub(crate) async fn remove(&self, party: &Party, now: Timestamp) -> Result<(), RegistrationError> {
        self.find(party)?;
        let (topic, name) = place(party);
        self.notes.remove((topic, &name)).await?;
        Ok(self.announce(now).await?)
    }

    /// What is registered of somebody, if it can be changed here.
    fn find(&self, party: &Party) -> Result<Registered, RegistrationError> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        if Registered::of(&state.file, party).is_some() {
            return Err(RegistrationError::InFile);
        }
        Registered::of(&state.stored, party).ok_or(RegistrationError::Unknown)
    }

    /// Makes every node look again.
    async fn announce(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut random = [0; 8];
        // Two changes in one millisecond must not look like one.
        let _time_alone_will_do = getrandom::fill(&mut random);
        let revision = format!("{}-{}", now.millis(), hex::encode(random));
        self.notes.put((Topic::Revision, PRESENT), revision.into(), None).await?;
        self.refresh(now).await.map(drop)
    }
}

fn place(party: &Party) -> (Topic, String) {
    match party {
        Party::App(id) => (Topic::Apps, id.to_string()),
        Party::Agent(id) => (Topic::Agents, id.to_string()),
    }
}

/// An app or an agent.
#[derive(Debug, Clone)]
pub(crate) enum Registered {
    App(App),
    Agent(Agent),
}

impl Registered {
    fn of(registry: &Registry, party: &Party) -> Option<Self> {
        match party {
            Party::App(id) => registry.apps.get(id).cloned().map(Self::App),
            Party::Agent(id) => registry.agents.get(id).cloned().map(Self::Agent),
        }
    }

    fn read(party: &Party, entry: &[u8]) -> Result<Self, StoreError> {
        let read = match party {
            Party::App(_) => serde_json::from_slice(entry).map(Self::App),
            Party::Agent(_) => serde_json::from_slice(entry).map(Self::Agent),
        };
        read.map_err(|error| StoreError::Corrupt(format!("registration of {party:?}: {error}")))
    }

    pub(crate) fn party(&self) -> Party {
        match self {
            Self::App(app) => Party::App(app.id.clone()),
            Self::Agent(agent) => Party::Agent(agent.id.clone()),
        }
    }

    fn tokens(&mut self) -> &mut Vec<super::registry::KeptToken> {
        match self {
            Self::App(app) => &mut app.tokens,
            Self::Agent(agent) => &mut agent.tokens,
        }
    }

    fn to_bytes(&self) -> Bytes {
        fn json<T: Serialize>(entry: &T) -> Bytes {
            serde_json::to_vec(entry).unwrap_or_default().into()
        }
        match self {
            Self::App(app) => json(app),
            Self::Agent(agent) => json(agent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notes::MemoryNotes;

    /// A node of several on the same store.
    fn node(notes: &Arc<MemoryNotes>) -> Directory {
        let notes: Arc<dyn Notes> = Arc::<MemoryNotes>::clone(notes);
        Directory::new(notes, TokenKey::new(&"k".repeat(32)).unwrap(), Registry::default())
    }

    #[tokio::test]
    async fn what_another_node_revoked_a_moment_ago_stays_revoked() {
        let notes = Arc::new(MemoryNotes::new());
        let (one, two) = (node(&notes), node(&notes));
        let at = |secs: u64| Timestamp::from_millis(secs * 1_000);
        let id: AppId = "portal".parse().unwrap();
        let party = Party::App(id.clone());
        one.add(Registered::App(App::new(id.clone())), at(1)).await.unwrap();
        assert!(two.refresh(at(1)).await.unwrap());
        one.revoke(&party, at(2)).await.unwrap();
        assert_eq!(two.present().apps[&id].tokens.len(), 1, "it has not looked again");
        two.rotate(&party, Duration::from_secs(60), at(2)).await.unwrap();
        assert_eq!(two.present().apps[&id].tokens.len(), 1, "the new one alone");
        one.remove(&party, at(3)).await.unwrap();
        let gone = two.amend(&party, at(3), |_| {}).await;
        assert_eq!(gone, Err(RegistrationError::Unknown), "nor does somebody come back");
    }
}
