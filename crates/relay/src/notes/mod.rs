//! Notes: small values under a key, some of which lapse. Registrations, and between nodes who serves whom.

mod amend;
mod embedded;
mod memory;

pub(crate) use amend::amend;
pub use embedded::EmbeddedNotes;
pub use memory::MemoryNotes;

use crate::store::{BoxFuture, StoreError};
use bytes::Bytes;
use tollwire_ledger::Timestamp;

/// What a note is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Registered apps; they do not lapse.
    Apps,
    /// Registered agents; they do not lapse.
    Agents,
    /// Which registrations are the present ones; does not lapse.
    Revision,
    /// Connections that are open.
    Connections,
    /// Which connection an agent has.
    Owners,
    /// Which connection answers an app.
    Claims,
    /// Conversations: threads between an app and an agent.
    Sessions,
    /// DPoP proofs that were used.
    Proofs,
    /// People who talk to the orchestrator; they do not lapse.
    People,
    /// Agents that the orchestrator chooses from; they do not lapse.
    ServiceAgents,
    /// Brokers that are at work.
    Nodes,
    /// Sessions of the orchestrator in which something is under way; they do not lapse.
    Unfinished,
}

impl Topic {
    /// Whether its notes are for a while only.
    pub const fn lapses(self) -> bool {
        !matches!(
            self,
            Self::Apps
                | Self::Agents
                | Self::Revision
                | Self::People
                | Self::ServiceAgents
                | Self::Unfinished
        )
    }

    /// Its name in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Apps => "apps",
            Self::Agents => "agents",
            Self::Revision => "revision",
            Self::Connections => "connections",
            Self::Owners => "owners",
            Self::Claims => "claims",
            Self::Sessions => "sessions",
            Self::Proofs => "proofs",
            Self::People => "people",
            Self::ServiceAgents => "service_agents",
            Self::Nodes => "nodes",
            Self::Unfinished => "unfinished",
        }
    }
}

/// A note's key: topic and name.
pub type Key<'a> = (Topic, &'a str);

/// A store of notes. `until` of `None` is for ever. `now` is the caller's; a store may go by its own clock instead.
pub trait Notes: Send + Sync {
    /// Writes a note, whatever was there.
    fn put<'a>(
        &'a self,
        key: Key<'a>,
        value: Bytes,
        until: Option<Timestamp>,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Writes a note unless there is one that has not lapsed. Whether it was written: of many that try, one hears `true`.
    fn claim<'a>(
        &'a self,
        key: Key<'a>,
        value: Bytes,
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Writes a note if it still says what it `was`; when it lapses stays as it is. Whether it was written.
    fn replace<'a>(
        &'a self,
        key: Key<'a>,
        was: Bytes,
        value: Bytes,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// A note that has not lapsed.
    fn get<'a>(&'a self, key: Key<'a>, now: Timestamp) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>>;

    /// Forgets some of those that lapsed, where the store does not do so by itself.
    fn sweep(&self, now: Timestamp) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Forgets a note.
    fn remove<'a>(&'a self, key: Key<'a>) -> BoxFuture<'a, Result<(), StoreError>>;

    /// All notes of a topic that have not lapsed, in the order of their names.
    fn list(&self, topic: Topic, now: Timestamp) -> BoxFuture<'_, Result<Vec<(String, Bytes)>, StoreError>>;
}
