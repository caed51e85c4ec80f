//! Keeping the feeds of the admin API over a restart.

use super::json::FeedJson;
use super::{Entry, FeedError, Origin};
use crate::error::Error;
use crate::gate::Gate;
use std::io;
use std::sync::Arc;
use tollwire_x402::FeedId;

/// Where feeds registered over the admin API are kept: one JSON text. It may hold secrets, in the header values meant
/// for upstreams.
pub trait FeedStore: Send + Sync {
    /// What was saved last; `None` if nothing was yet.
    fn load(&self) -> io::Result<Option<String>>;

    /// Replaces it, durably, all or nothing.
    fn save(&self, text: &str) -> io::Result<()>;
}

/// Why kept feeds cannot be sold again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The store cannot be read.
    #[error("{0}")]
    Store(#[from] io::Error),
    /// It holds something else than a list of feeds.
    #[error("not a list of registered feeds: {0}")]
    Malformed(String),
    /// A feed can no longer be sold as it was registered.
    #[error("feed {feed}: {reason}")]
    Feed {
        /// Which.
        feed: String,
        /// Why.
        reason: String,
    },
}

impl Gate {
    /// Registers the feeds that were kept; answers how many. One whose id the configuration has taken is passed over.
    /// Called once, before serving.
    pub fn restore_feeds(&self) -> Result<usize, RestoreError> {
        let Some(text) = self.feed_store.as_ref().map(|store| store.load()).transpose()?.flatten() else {
            return Ok(0);
        };
        let kept: Vec<FeedJson> =
            serde_json::from_str(&text).map_err(|error| RestoreError::Malformed(error.to_string()))?;
        let mut restored = 0_usize;
        for feed in kept {
            let name = feed.id.as_ref().map(FeedId::to_string).unwrap_or_default();
            let added = feed.into_feed(self).and_then(|feed| Ok(self.feeds().add(feed, Origin::Admin)?));
            match added {
                Ok(_) => restored = restored.saturating_add(1),
                Err(Error::Feed(FeedError::Exists)) => {
                    tracing::warn!(
                        feed = name,
                        "the configuration has a feed of this id; the registered one is passed over"
                    );
                }
                Err(error) => return Err(RestoreError::Feed { feed: name, reason: error.to_string() }),
            }
        }
        Ok(restored)
    }

    /// Makes one change to one feed, and keeps what was registered. What cannot be kept is not changed.
    pub(crate) async fn change_feed<T>(
        &self,
        id: &FeedId,
        change: impl FnOnce() -> Result<T, FeedError>,
    ) -> Result<T, Error> {
        let _one_at_a_time = self.feed_changes.lock().await;
        let before = self.feeds().get(id);
        let done = change()?;
        let registered =
            |entry: &Option<Arc<Entry>>| entry.as_ref().is_some_and(|entry| entry.origin == Origin::Admin);
        if (registered(&before) || registered(&self.feeds().get(id)))
            && let Err(error) = self.keep_feeds().await
        {
            self.feeds().put_back(id, before);
            return Err(Error::FeedStore(error));
        }
        Ok(done)
    }

    async fn keep_feeds(&self) -> io::Result<()> {
        let Some(store) = self.feed_store.clone() else { return Ok(()) };
        let feeds = self.feeds().list();
        let registered = feeds.iter().filter(|entry| entry.origin == Origin::Admin);
        let kept: Vec<FeedJson> = registered.map(|entry| FeedJson::of(&entry.feed)).collect();
        let text = serde_json::to_string_pretty(&kept)?;
        tokio::task::spawn_blocking(move || store.save(&text)).await.map_err(io::Error::other)?
    }
}
