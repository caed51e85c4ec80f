//! Where sessions are kept: a head that changes by comparison alone, and messages that never change.

mod embedded;

pub use embedded::EmbeddedSessions;

use crate::store::{BoxFuture, StoreError};
use bytes::Bytes;
use tollwire_asp::SessionId;
use tollwire_ledger::Timestamp;

/// The most messages that one [`Sessions::read`] gives.
pub const PAGE_MAX: usize = 200;

/// Where a session stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The number of its last message; 0 if there is none.
    pub seq: u64,
    /// That message's hash, as text.
    pub hash: String,
    /// The first message that is kept.
    pub first: u64,
    /// What is known of the session beside its messages.
    pub content: Bytes,
}

/// A message to be.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// The head it was made for: number and hash. It becomes the next.
    pub after: (u64, String),
    /// Its hash.
    pub hash: String,
    /// Its bytes.
    pub body: Bytes,
    /// What is known of the session from then on.
    pub content: Bytes,
    /// Messages that are kept, this one included.
    pub keep: u64,
    /// When the session may be forgotten.
    pub until: Timestamp,
    /// Makes it idempotent.
    pub once: Option<Once>,
}

/// A key that one message of a session can use.
#[derive(Debug, Clone)]
pub struct Once {
    /// The key.
    pub key: String,
    /// How long it is remembered.
    pub until: Timestamp,
    /// What a duplicate is told.
    pub memo: String,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Stored {
    /// It is the session's last one, durably.
    Done,
    /// Nothing was changed: this is the head now.
    Moved(Head),
    /// Nothing was changed: its key was used before.
    Duplicate {
        /// What the first one noted.
        memo: String,
    },
    /// There is no such session.
    Unknown,
}

/// A store of sessions. All methods are atomic; `Ok` means durable as far as the store promises it.
pub trait Sessions: Send + Sync {
    /// Begins a session, unless there is one of that name. Whether it was begun.
    fn create<'a>(
        &'a self,
        session: &'a SessionId,
        content: Bytes,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Where a session stands.
    fn head<'a>(
        &'a self,
        session: &'a SessionId,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Head>, StoreError>>;

    /// Sessions that were begun last, newest first, at most so many: for the operator's eyes, and not for the way of a message.
    fn newest(
        &self,
        count: usize,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<(SessionId, Head)>, StoreError>>;

    /// Adds a message if the head is still the one it was made for. A key that was used is answered before that is looked
    /// at.
    fn append<'a>(
        &'a self,
        session: &'a SessionId,
        message: NewMessage,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Stored, StoreError>>;

    /// Messages after a number, in order: at most [`PAGE_MAX`], and at most `bytes_max` bytes but at least one.
    fn read<'a>(
        &'a self,
        session: &'a SessionId,
        after: u64,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<Vec<(u64, Bytes)>, StoreError>>;

    /// Forgets some of what may be forgotten, where the store does not do so by itself.
    fn sweep(&self, now: Timestamp) -> BoxFuture<'_, Result<(), StoreError>>;
}
