//! Who is live here. Bounded by whoever opens streams.

use super::LiveStreams;
use crate::charge::Charge;
use crate::meter::Shared;
use crate::signal::Signal;
use crate::telemetry;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tollwire_ledger::Timestamp;
use tollwire_x402::close::CloseCode;
use tollwire_x402::{FeedId, SessionId, StreamId};

#[derive(Default)]
pub(crate) struct Registry {
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    sessions: HashMap<SessionId, Entry>,
    by_feed: BTreeMap<FeedId, usize>,
    next_key: u64,
    /// Set when everybody was told to go: late comers are told the same.
    going_away: bool,
}

/// The live streams of one session.
struct Entry {
    /// The session's revision up to which its streams are known to be the valid ones.
    revision: u64,
    /// The latest recall they were told of.
    recalled: Option<Timestamp>,
    streams: Vec<Live>,
}

struct Live {
    key: u64,
    stream: StreamId,
    fence: u64,
    signal: Arc<Signal>,
}

/// What the streams of a session were told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) revision: u64,
    pub(super) recalled: Option<Timestamp>,
}

/// A stream's place in the registry; it leaves when this is dropped.
pub struct Resident {
    shared: Arc<Shared>,
    feed: FeedId,
    session: SessionId,
    key: u64,
}

impl Resident {
    /// Enters a stream. Whoever has an older opening of the same stream is closed with 4009, and so is this one if
    /// it is the older itself.
    pub(crate) fn enter(charge: &Charge, feed: FeedId) -> Self {
        let (shared, signal) = (&charge.shared, Arc::clone(&charge.signal));
        let (session, stream) = (charge.session().clone(), charge.stream().clone());
        let (fence, revision) = (charge.fence(), charge.revision());
        let mut books = shared.registry.books();
        if books.going_away {
            signal.close(CloseCode::GoingAway);
        }
        let key = books.next_key;
        books.next_key = key.wrapping_add(1);
        let count = books.by_feed.entry(feed.clone()).or_default();
        *count = count.saturating_add(1);
        telemetry::streams_open(&feed, *count);
        // The first stream of a session decides from where its revisions are compared: a later stream's newer
        // revision says nothing about the streams that were here before.
        let entry = books.sessions.entry(session.clone()).or_insert_with(|| Entry {
            revision,
            recalled: None,
            streams: Vec::with_capacity(1),
        });
        let newest = entry.fences(&stream).fold(fence, u64::max);
        entry.streams.push(Live { key, stream: stream.clone(), fence, signal });
        entry.replace_older(&stream, newest);
        drop(books);
        Self { shared: Arc::clone(shared), feed, session, key }
    }
}

impl std::fmt::Debug for Resident {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resident")
            .field("feed", &self.feed)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        let mut books = self.shared.registry.books();
        if let Some(entry) = books.sessions.get_mut(&self.session) {
            entry.streams.retain(|live| live.key != self.key);
            if entry.streams.is_empty() {
                books.sessions.remove(&self.session);
            }
        }
        if let Some(count) = books.by_feed.get_mut(&self.feed) {
            *count = count.saturating_sub(1);
            telemetry::streams_open(&self.feed, *count);
            if *count == 0 {
                books.by_feed.remove(&self.feed);
            }
        }
    }
}

impl Registry {
    /// How many live here.
    pub(crate) fn live(&self) -> LiveStreams {
        let by_feed = self.books().by_feed.clone();
        LiveStreams { total: by_feed.values().sum(), by_feed }
    }

    /// Every session with live streams, and what its streams are known to know.
    pub(super) fn sessions(&self) -> Vec<(SessionId, Known)> {
        let known = |entry: &Entry| Known { revision: entry.revision, recalled: entry.recalled };
        self.books().sessions.iter().map(|(id, entry)| (id.clone(), known(entry))).collect()
    }

    /// Has a session's streams give back what they do not need.
    pub(super) fn recall(&self, session: &SessionId, at: Timestamp) {
        if let Some(entry) = self.books().sessions.get_mut(session) {
            entry.recalled = Some(at);
            entry.streams.iter().for_each(|live| live.signal.recall());
        }
    }

    /// The same at once, from a stream of this process that is short; the store's own note comes later.
    pub(crate) fn recall_now(&self, session: &SessionId, but: &StreamId) {
        if let Some(entry) = self.books().sessions.get(session) {
            entry.streams.iter().filter(|live| live.stream != *but).for_each(|live| live.signal.recall());
        }
    }

    /// The same for all but the stream that knows.
    pub(crate) fn look_again_but(&self, session: &SessionId, but: &StreamId) {
        if let Some(entry) = self.books().sessions.get(session) {
            entry.streams.iter().filter(|live| live.stream != *but).for_each(|live| live.signal.look());
        }
    }

    /// Has a session's streams ask the ledger how the balance stands.
    pub(crate) fn look_again(&self, session: &SessionId) {
        if let Some(entry) = self.books().sessions.get(session) {
            entry.streams.iter().for_each(|live| live.signal.look());
        }
    }

    /// A session's live streams, each with its fence.
    pub(super) fn streams(&self, session: &SessionId) -> Vec<(StreamId, u64)> {
        let books = self.books();
        let streams = books.sessions.get(session).map(|entry| entry.streams.as_slice()).unwrap_or_default();
        streams.iter().map(|live| (live.stream.clone(), live.fence)).collect()
    }

    /// Notes up to which revision a session's streams are known to be the valid ones.
    pub(super) fn seen(&self, session: &SessionId, revision: u64) {
        if let Some(entry) = self.books().sessions.get_mut(session) {
            entry.revision = revision;
        }
    }

    /// Closes openings of a stream older than `fence`: a newer one took their place.
    pub(crate) fn replace(&self, session: &SessionId, stream: &StreamId, fence: u64) {
        if let Some(entry) = self.books().sessions.get(session) {
            entry.replace_older(stream, fence);
        }
    }

    /// Closes all streams of a session; how many were not closing yet.
    pub(crate) fn close_session(&self, session: &SessionId, code: CloseCode) -> usize {
        let books = self.books();
        let streams = books.sessions.get(session).map(|entry| entry.streams.as_slice()).unwrap_or_default();
        streams.iter().filter(|live| live.signal.close(code)).count()
    }

    /// Closes all streams, those that come later included.
    pub(crate) fn close_all(&self, code: CloseCode) {
        let mut books = self.books();
        books.going_away = true;
        for live in books.sessions.values().flat_map(|entry| &entry.streams) {
            live.signal.close(code);
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// The openings of a stream that live here.
    fn fences(&self, stream: &StreamId) -> impl Iterator<Item = u64> {
        self.streams.iter().filter(move |live| live.stream == *stream).map(|live| live.fence)
    }

    fn replace_older(&self, stream: &StreamId, fence: u64) {
        for live in self.streams.iter().filter(|live| live.stream == *stream && live.fence < fence) {
            live.signal.close(CloseCode::Replaced);
        }
    }
}
