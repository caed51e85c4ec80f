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

/// Messages to be, each behind the one before it. All of them are kept, or none.
#[derive(Debug, Clone)]
pub struct Append {
    /// The head they were made for: number and hash.
    pub after: (u64, String),
    /// The messages, in their order; at least one.
    pub messages: Vec<NewMessage>,
    /// The hash of the last one, which becomes the head.
    pub hash: String,
    /// What is known of the session from then on.
    pub content: Bytes,
    /// Messages of the session that are kept, these included.
    pub keep: u64,
    /// When the session may be forgotten.
    pub until: Timestamp,
}

/// A message to be.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// Its bytes.
    pub body: Bytes,
    /// Makes it idempotent. No two of an append have the same key.
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

/// What became of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Stored {
    /// Its messages are the session's last ones, durably.
    Done,
    /// Nothing was changed: this is the head now.
    Moved(Head),
    /// Nothing was changed: keys of these were used before. Each with its place in the append, from 0 on, and what the first
    /// of that key noted.
    Duplicates(Vec<(usize, String)>),
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

    /// Adds messages if the head is still the one they were made for. Keys that were used are answered before that is looked
    /// at. Another node's connections hear of it by the store, or by nobody; those of this one are told by whoever appends.
    fn append<'a>(
        &'a self,
        session: &'a SessionId,
        append: Append,
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
