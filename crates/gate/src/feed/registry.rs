//! Which feeds there are, and which of their offers are still good.

use super::{Feed, FeedError, Tariff};
use crate::config::OFFER_GRACE;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tollwire_ledger::Timestamp;
use tollwire_settlement::ChainInfo;
use tollwire_x402::FeedId;

/// The most feeds of one gate.
pub const FEEDS_MAX: usize = 10_000;

/// The most superseded tariffs of one feed that stay payable at once; beyond, the oldest goes first.
pub const EARLIER_TARIFFS_MAX: usize = 8;

/// Where a feed came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The configuration file; a reload may change or remove it.
    Configuration,
    /// The admin API; lasts until it is removed there, if there is a [`FeedStore`](super::FeedStore) over restarts.
    Admin,
}

/// Feeds by id, changeable while payments and streams are under way.
///
/// A reader takes a snapshot of one feed (`Arc`); nothing it holds changes under it. The registry lives in memory: a
/// process that starts with another price does not know the offers made before, and answers a payment for one with
/// a fresh bill.
pub struct FeedRegistry {
    chains: Vec<ChainInfo>,
    offer_timeout: Duration,
    feeds: RwLock<HashMap<FeedId, Arc<Entry>>>,
}

/// One feed with its tariffs.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The feed.
    pub feed: Arc<Feed>,
    /// What new offers are made from.
    pub tariff: Arc<Tariff>,
    /// Where it came from.
    pub origin: Origin,
    earlier: Vec<(Arc<Tariff>, Timestamp)>,
}

impl Entry {
    /// The tariffs a payment may answer at `now`: the present one, then superseded ones, newest first.
    pub fn payable(&self, now: Timestamp) -> impl Iterator<Item = &Arc<Tariff>> {
        let earlier = self.earlier.iter().rev().filter(move |(_, until)| now < *until);
        std::iter::once(&self.tariff).chain(earlier.map(|(tariff, _)| tariff))
    }
}

impl FeedRegistry {
    /// An empty registry that sells on these chains.
    pub fn new(chains: Vec<ChainInfo>, offer_timeout: Duration) -> Self {
        Self { chains, offer_timeout, feeds: RwLock::default() }
    }

    /// One feed.
    pub fn get(&self, id: &FeedId) -> Option<Arc<Entry>> {
        self.read(|feeds| feeds.get(id).cloned())
    }

    /// All feeds, by id.
    pub fn list(&self) -> Vec<Arc<Entry>> {
        let mut all: Vec<_> = self.read(|feeds| feeds.values().cloned().collect());
        all.sort_by(|a, b| a.feed.id().cmp(b.feed.id()));
        all
    }

    /// Adds a feed under a new id.
    pub fn add(&self, feed: Feed, origin: Origin) -> Result<Arc<Entry>, FeedError> {
        let entry = self.entry(feed, origin)?;
        self.write(|feeds| {
            if feeds.contains_key(entry.feed.id()) {
                return Err(FeedError::Exists);
            }
            if feeds.len() >= FEEDS_MAX {
                return Err(FeedError::TooMany(FEEDS_MAX));
            }
            feeds.insert(entry.feed.id().clone(), Arc::clone(&entry));
            Ok(entry)
        })
    }

    /// Changes a feed. Offers made before stay payable for their timeout and [`OFFER_GRACE`].
    pub fn update(
        &self,
        id: &FeedId,
        now: Timestamp,
        change: impl FnOnce(&mut Feed) -> Result<(), FeedError>,
    ) -> Result<Arc<Entry>, FeedError> {
        self.write(|feeds| {
            let old = feeds.get(id).ok_or(FeedError::Unknown)?;
            let mut feed = Feed::clone(&old.feed);
            change(&mut feed)?;
            feed.route.feed = id.clone();
            let entry = self.succeed(old, feed, old.origin, now)?;
            feeds.insert(id.clone(), Arc::clone(&entry));
            Ok(entry)
        })
    }

    /// Removes a feed. Its sessions keep their balance; its live streams go on.
    pub fn remove(&self, id: &FeedId) -> Result<(), FeedError> {
        self.write(|feeds| feeds.remove(id).map(|_| ()).ok_or(FeedError::Unknown))
    }

    /// Makes the configured feeds exactly these, all or none; feeds of the admin API stay, unless one of these
    /// takes their id.
    pub fn configure(&self, feeds: Vec<Feed>, now: Timestamp) -> Result<(), FeedError> {
        self.write(|registered| {
            let mut next: HashMap<_, _> = registered
                .iter()
                .filter(|(_, entry)| entry.origin == Origin::Admin)
                .map(|(id, entry)| (id.clone(), Arc::clone(entry)))
                .collect();
            for feed in feeds {
                let id = feed.id().clone();
                let entry = match registered.get(&id) {
                    Some(old) => self.succeed(old, feed, Origin::Configuration, now)?,
                    None => self.entry(feed, Origin::Configuration)?,
                };
                let displaced = next.insert(id, entry);
                if displaced.is_some_and(|entry| entry.origin == Origin::Configuration) {
                    return Err(FeedError::Exists);
                }
            }
            if next.len() > FEEDS_MAX {
                return Err(FeedError::TooMany(FEEDS_MAX));
            }
            *registered = next;
            Ok(())
        })
    }

    /// Undoes a change of one feed.
    pub(super) fn put_back(&self, id: &FeedId, before: Option<Arc<Entry>>) {
        self.write(|feeds| match before {
            Some(entry) => feeds.insert(id.clone(), entry),
            None => feeds.remove(id),
        });
    }

    fn entry(&self, feed: Feed, origin: Origin) -> Result<Arc<Entry>, FeedError> {
        let tariff = Arc::new(self.tariff(&feed)?);
        Ok(Arc::new(Entry { feed: Arc::new(feed), tariff, origin, earlier: Vec::new() }))
    }

    fn tariff(&self, feed: &Feed) -> Result<Tariff, FeedError> {
        Tariff::new(feed, &self.chains, self.offer_timeout.as_secs())
    }

    /// The entry that follows `old`: the same tariff stays; another supersedes it.
    fn succeed(
        &self,
        old: &Entry,
        feed: Feed,
        origin: Origin,
        now: Timestamp,
    ) -> Result<Arc<Entry>, FeedError> {
        let tariff = self.tariff(&feed)?;
        let mut earlier: Vec<_> = old.earlier.iter().filter(|(_, until)| now < *until).cloned().collect();
        let tariff = if tariff == *old.tariff {
            Arc::clone(&old.tariff)
        } else {
            let until = now.after(self.offer_timeout.saturating_add(OFFER_GRACE));
            earlier.push((Arc::clone(&old.tariff), until));
            earlier.drain(..earlier.len().saturating_sub(EARLIER_TARIFFS_MAX));
            Arc::new(tariff)
        };
        Ok(Arc::new(Entry { feed: Arc::new(feed), tariff, origin, earlier }))
    }

    fn read<T>(&self, look: impl FnOnce(&HashMap<FeedId, Arc<Entry>>) -> T) -> T {
        look(&self.feeds.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut HashMap<FeedId, Arc<Entry>>) -> T) -> T {
        change(&mut self.feeds.write().unwrap_or_else(PoisonError::into_inner))
    }
}
