//! The durable log: what was promised and is not done yet, as streams of entries under sequence numbers.
//!
//! An entry is appended, read as often as needed, and acknowledged once; until then it is there, whatever crashes. Its
//! `until` is when it lapses: [`Log::expired`] lists what has lapsed, and whoever acknowledges or carries it first has
//! it. [`Log::carry`] takes an entry out of one stream and puts its answer into another in one atomic step, so that a
//! question has at most one answer, on any number of nodes.
//!
//! Sequence numbers begin at 1 and grow by 1 with each entry of a stream; none is used twice. `Ok` means durable as far as
//! the store promises it.

mod embedded;
mod memory;
mod tables;

pub use embedded::EmbeddedLog;
pub use memory::MemoryLog;

use crate::store::{BoxFuture, StoreError};
use bytes::Bytes;
use tollwire_ledger::Timestamp;

/// The most entries that one [`Log::read`] gives.
pub const READ_COUNT_MAX: usize = 64;

/// An entry, as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number in its stream.
    pub seq: u64,
    /// When it lapses.
    pub until: Timestamp,
    /// What its reader has noted about it; 0 at first.
    pub mark: u64,
    /// What was appended, byte for byte.
    pub body: Bytes,
}

/// An entry to be.
#[derive(Debug, Clone)]
pub struct Append {
    /// Its content.
    pub body: Bytes,
    /// When it lapses.
    pub until: Timestamp,
    /// Makes the append idempotent.
    pub once: Option<Once>,
}

/// A key that one append in a stream can use; later ones are told what the first noted.
#[derive(Debug, Clone)]
pub struct Once {
    /// The key, unique in its stream.
    pub key: String,
    /// How long it is remembered.
    pub until: Timestamp,
    /// What a duplicate is told.
    pub memo: String,
}

/// How much a stream holds at most.
#[derive(Debug, Clone, Copy)]
pub struct Caps {
    /// Entries.
    pub count: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// What becomes of more.
    pub overflow: Overflow,
}

/// What a full stream does with another entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// It takes no more.
    Refuse,
    /// It forgets its oldest.
    ForgetOldest,
}

impl Caps {
    /// No bound: for a stream whose entries are bounded by something else.
    pub const NONE: Self = Self { count: u64::MAX, bytes: u64::MAX, overflow: Overflow::Refuse };

    /// Whether a stream may hold as much.
    #[must_use]
    pub const fn allow(&self, depth: Depth) -> bool {
        depth.count <= self.count && depth.bytes <= self.bytes
    }
}

/// What became of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Appended {
    /// It is in the stream, under this number.
    Stored(u64),
    /// Its key was used before.
    Duplicate {
        /// What the first append noted.
        memo: String,
    },
    /// The stream is full; nothing was stored.
    Full,
}

/// How much a stream holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// Entries that are not acknowledged.
    pub count: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
}

impl Depth {
    /// With one more entry of so many bytes.
    #[must_use]
    pub const fn with(self, bytes: u64) -> Self {
        Self { count: self.count.saturating_add(1), bytes: self.bytes.saturating_add(bytes) }
    }

    /// With one entry of so many bytes less.
    #[must_use]
    pub const fn without(self, bytes: u64) -> Self {
        Self { count: self.count.saturating_sub(1), bytes: self.bytes.saturating_sub(bytes) }
    }
}

/// A durable log. All methods are atomic.
pub trait Log: Send + Sync {
    /// Adds an entry at the end of a stream. With [`Overflow::ForgetOldest`] the oldest make room for it; a key that was
    /// used is answered before room is looked at.
    fn append<'a>(
        &'a self,
        stream: &'a str,
        new: Append,
        caps: Caps,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Appended, StoreError>>;

    /// Entries after a number, in order: at most [`READ_COUNT_MAX`], and at most `bytes_max` bytes but at least one.
    fn read<'a>(
        &'a self,
        stream: &'a str,
        after: u64,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>, StoreError>>;

    /// Notes something about an entry and moves its end. Whether it is still there.
    fn mark<'a>(
        &'a self,
        stream: &'a str,
        seq: u64,
        mark: u64,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Takes an entry out. Whether it was there: of many that try, one hears `true`.
    fn acknowledge<'a>(&'a self, stream: &'a str, seq: u64) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Takes an entry out of one stream and adds another to the end of a second, whatever that holds. The new number;
    /// `None` if the first was not there any more, and then nothing was added.
    fn carry<'a>(
        &'a self,
        from: &'a str,
        seq: u64,
        to: &'a str,
        body: Bytes,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<Option<u64>, StoreError>>;

    /// Entries of all streams that lapsed by `now`, at most `max`, each with its stream. They stay until acknowledged or
    /// carried.
    fn expired(&self, now: Timestamp, max: usize) -> BoxFuture<'_, Result<Vec<(String, Entry)>, StoreError>>;

    /// How much a stream holds.
    fn depth<'a>(&'a self, stream: &'a str) -> BoxFuture<'a, Result<Depth, StoreError>>;
}
