//! A log in memory: gone with the process.

use super::{Append, Appended, Caps, Depth, Entry, Log, Once, Overflow, READ_COUNT_MAX};
use crate::store::{BoxFuture, StoreError, done};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tollwire_ledger::Timestamp;

/// The most forgotten keys that one append clears away.
const LAPSED_KEYS_AT_ONCE: usize = 16;

/// A [`Log`] in memory.
#[derive(Debug, Default)]
pub struct MemoryLog(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    streams: HashMap<String, Stream>,
    /// Ends of all entries, soonest first.
    ends: BTreeSet<(Timestamp, String, u64)>,
    /// Keys that were used, by stream and key.
    once: HashMap<(String, String), Once>,
    once_ends: BTreeSet<(Timestamp, String, String)>,
}

#[derive(Debug, Default)]
struct Stream {
    last: u64,
    depth: Depth,
    entries: BTreeMap<u64, Entry>,
}

impl MemoryLog {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn append(&mut self, name: &str, new: Append, caps: Caps, now: Timestamp) -> Appended {
        self.forget_keys(now);
        let key = new.once.as_ref().map(|once| (name.to_owned(), once.key.clone()));
        if let Some(known) = key.as_ref().and_then(|key| self.once.get(key))
            && known.until > now
        {
            return Appended::Duplicate { memo: known.memo.clone() };
        }
        let bytes = length(&new.body);
        while !caps.allow(self.depth(name).with(bytes)) {
            let oldest = self.streams.get(name).and_then(|stream| stream.entries.first_key_value());
            match (caps.overflow, oldest.map(|(seq, _)| *seq)) {
                (Overflow::ForgetOldest, Some(oldest)) => self.take(name, oldest),
                (Overflow::Refuse, _) | (_, None) => return Appended::Full,
            };
        }
        if let (Some(key), Some(once)) = (key, new.once) {
            self.once_ends.insert((once.until, key.0.clone(), key.1.clone()));
            self.once.insert(key, once);
        }
        Appended::Stored(self.push(name, new.body, new.until))
    }

    fn push(&mut self, name: &str, body: Bytes, until: Timestamp) -> u64 {
        let stream = self.streams.entry(name.to_owned()).or_default();
        stream.last = stream.last.saturating_add(1);
        stream.depth = stream.depth.with(length(&body));
        stream.entries.insert(stream.last, Entry { seq: stream.last, until, mark: 0, body });
        self.ends.insert((until, name.to_owned(), stream.last));
        stream.last
    }

    fn take(&mut self, name: &str, seq: u64) -> bool {
        let Some(stream) = self.streams.get_mut(name) else { return false };
        let Some(entry) = stream.entries.remove(&seq) else { return false };
        stream.depth = stream.depth.without(length(&entry.body));
        self.ends.remove(&(entry.until, name.to_owned(), seq));
        true
    }

    fn mark(&mut self, name: &str, seq: u64, mark: u64, until: Timestamp) -> bool {
        let entry = self.streams.get_mut(name).and_then(|stream| stream.entries.get_mut(&seq));
        let Some(entry) = entry else { return false };
        self.ends.remove(&(entry.until, name.to_owned(), seq));
        (entry.mark, entry.until) = (mark, until);
        self.ends.insert((until, name.to_owned(), seq));
        true
    }

    fn forget_keys(&mut self, now: Timestamp) {
        for _ in 0..LAPSED_KEYS_AT_ONCE {
            let Some(first) = self.once_ends.first().filter(|(until, ..)| *until <= now).cloned() else {
                return;
            };
            self.once_ends.remove(&first);
            self.once.remove(&(first.1, first.2));
        }
    }

    fn depth(&self, name: &str) -> Depth {
        self.streams.get(name).map_or_else(Depth::default, |stream| stream.depth)
    }

    fn read(&self, name: &str, after: u64, bytes_max: usize) -> Vec<Entry> {
        let Some(stream) = self.streams.get(name) else { return Vec::new() };
        let mut bytes = 0_usize;
        let fits = |entry: &&Entry| {
            bytes = bytes.saturating_add(entry.body.len());
            bytes <= bytes_max || bytes == entry.body.len()
        };
        let later = stream.entries.range(after.saturating_add(1)..).map(|(_, entry)| entry);
        later.take(READ_COUNT_MAX).take_while(fits).cloned().collect()
    }

    fn expired(&self, now: Timestamp, max: usize) -> Vec<(String, Entry)> {
        let lapsed = self.ends.iter().take_while(|(until, ..)| *until <= now).take(max);
        let entry = |name: &str, seq| self.streams.get(name)?.entries.get(&seq).cloned();
        lapsed.filter_map(|(_, name, seq)| Some((name.clone(), entry(name, *seq)?))).collect()
    }
}

fn length(body: &Bytes) -> u64 {
    u64::try_from(body.len()).unwrap_or(u64::MAX)
}

impl Log for MemoryLog {
    fn append<'a>(
        &'a self,
        stream: &'a str,
        new: Append,
        caps: Caps,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Appended, StoreError>> {
        done(self.state().append(stream, new, caps, now))
    }

    fn read<'a>(
        &'a self,
        stream: &'a str,
        after: u64,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>, StoreError>> {
        done(self.state().read(stream, after, bytes_max))
    }

    fn mark<'a>(
        &'a self,
        stream: &'a str,
        seq: u64,
        mark: u64,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        done(self.state().mark(stream, seq, mark, until))
    }

    fn acknowledge<'a>(&'a self, stream: &'a str, seq: u64) -> BoxFuture<'a, Result<bool, StoreError>> {
        done(self.state().take(stream, seq))
    }

    fn carry<'a>(
        &'a self,
        from: &'a str,
        seq: u64,
        to: &'a str,
        body: Bytes,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<Option<u64>, StoreError>> {
        let mut state = self.state();
        let taken = state.take(from, seq);
        done(taken.then(|| state.push(to, body, until)))
    }

    fn expired(&self, now: Timestamp, max: usize) -> BoxFuture<'_, Result<Vec<(String, Entry)>, StoreError>> {
        done(self.state().expired(now, max))
    }

    fn depth<'a>(&'a self, stream: &'a str) -> BoxFuture<'a, Result<Depth, StoreError>> {
        done(self.state().depth(stream))
    }
}
