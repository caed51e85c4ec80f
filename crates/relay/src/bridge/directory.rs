//! The registrations that are in force: those of the file, and those of the store, which all nodes share.

use super::id::{AgentId, AppId};
use super::registry::{Agent, App, Registry};
use super::token::{NewToken, Party, TokenError, TokenKey};
use crate::notes::{Notes, Topic};
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
        let mut entry = self.find(party)?;
        let (token, hash) = self.key.issue(party)?;
        super::registry::rotate(entry.tokens(), hash, now, overlap);
        self.write(&entry, now).await?;
        Ok(token)
    }

    /// Makes all tokens worthless at once.
    pub(crate) async fn revoke(&self, party: &Party, now: Timestamp) -> Result<(), RegistrationError> {
        let mut entry = self.find(party)?;
        entry.tokens().clear();
        Ok(self.write(&entry, now).await?)
    }

    /// Changes what is registered of somebody, but not their tokens.
    pub(crate) async fn amend(
        &self,
        party: &Party,
        now: Timestamp,
        amend: impl FnOnce(&mut Registered) + Send,
    ) -> Result<Registered, RegistrationError> {
        let mut entry = self.find(party)?;
        amend(&mut entry);
        self.write(&entry, now).await?;
        Ok(entry)
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

    async fn write(&self, entry: &Registered, now: Timestamp) -> Result<(), StoreError> {
        let (topic, name) = place(&entry.party());
        self.notes.put((topic, &name), entry.to_bytes(), None).await?;
        self.announce(now).await
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
