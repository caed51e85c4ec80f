//! Notes in memory: gone with the process.

use super::{Key, Notes, Topic};
use crate::store::{BoxFuture, StoreError, done};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tollwire_ledger::Timestamp;

/// [`Notes`] in memory.
#[derive(Debug, Default)]
pub struct MemoryNotes(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    notes: BTreeMap<(Topic, String), (Bytes, Option<Timestamp>)>,
}

impl MemoryNotes {
    /// No notes.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn live(&self, (topic, name): Key<'_>, now: Timestamp) -> Option<&Bytes> {
        let (value, until) = self.notes.get(&(topic, name.to_owned()))?;
        until.is_none_or(|until| until > now).then_some(value)
    }

    fn put(&mut self, (topic, name): Key<'_>, value: Bytes, until: Option<Timestamp>) {
        self.notes.insert((topic, name.to_owned()), (value, until));
    }

    fn sweep(&mut self, now: Timestamp) {
        self.notes.retain(|_, (_, until)| until.is_none_or(|until| until > now));
    }
}

impl Notes for MemoryNotes {
    fn put<'a>(
        &'a self,
        key: Key<'a>,
        value: Bytes,
        until: Option<Timestamp>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.state().put(key, value, until);
        done(())
    }

    fn claim<'a>(
        &'a self,
        key: Key<'a>,
        value: Bytes,
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let mut state = self.state();
        if state.live(key, now).is_some() {
            return done(false);
        }
        state.put(key, value, until);
        done(true)
    }

    fn replace<'a>(
        &'a self,
        key: Key<'a>,
        was: Bytes,
        value: Bytes,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let mut state = self.state();
        let same = state.live(key, now).is_some_and(|is| *is == was);
        if same && let Some((is, _)) = state.notes.get_mut(&(key.0, key.1.to_owned())) {
            *is = value;
        }
        done(same)
    }

    fn get<'a>(&'a self, key: Key<'a>, now: Timestamp) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>> {
        done(self.state().live(key, now).cloned())
    }

    fn sweep(&self, now: Timestamp) -> BoxFuture<'_, Result<(), StoreError>> {
        self.state().sweep(now);
        done(())
    }

    fn remove<'a>(&'a self, (topic, name): Key<'a>) -> BoxFuture<'a, Result<(), StoreError>> {
        self.state().notes.remove(&(topic, name.to_owned()));
        done(())
    }

    fn list(&self, topic: Topic, now: Timestamp) -> BoxFuture<'_, Result<Vec<(String, Bytes)>, StoreError>> {
        let state = self.state();
        let of_topic = state
            .notes
            .iter()
            .filter(|((of, _), (_, until))| *of == topic && until.is_none_or(|until| until > now));
        done(of_topic.map(|((_, name), (value, _))| (name.clone(), value.clone())).collect())
    }
}
