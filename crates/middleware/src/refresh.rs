//! Keeps a verifier's keys fresh, away from the path that verifies.

use crate::Error;
use crate::fetch::Client;
use http::{HeaderMap, Uri};
use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tollwire_session::{JWKS_BYTES_MAX, KeySet, Verifier as Tokens};

/// How often keys are fetched, and how failures are spaced.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Between two fetches that succeed.
    pub(crate) interval: Duration,
    /// At least this long between any two, however many unknown keys are seen.
    pub(crate) gap_min: Duration,
    /// After the first failure; doubled by each further one up to `interval`.
    pub(crate) backoff: Duration,
    /// For one fetch.
    pub(crate) timeout: Duration,
}

impl Pace {
    /// This often when all is well; no other wait is longer.
    pub(crate) fn every(interval: Duration) -> Self {
        Self {
            interval,
            gap_min: Duration::from_secs(10).min(interval),
            backoff: Duration::from_secs(1).min(interval),
            timeout: Duration::from_secs(10),
        }
    }
}

/// Where keys come from.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) client: Client,
    pub(crate) uri: Uri,
    pub(crate) pace: Pace,
}

impl Source {
    /// Fetches until it succeeds or `patience` is over; then the last failure.
    pub(crate) async fn first(&self, patience: Duration) -> Result<KeySet, Error> {
        let deadline = Instant::now() + patience;
        let mut wait = self.pace.backoff;
        loop {
            let error = match self.fetch().await {
                Ok(keys) => return Ok(keys),
                Err(error) => error,
            };
            if Instant::now() + wait >= deadline {
                return Err(error);
            }
            tracing::warn!(%error, cause = ?error.source(), wait_ms = wait.as_millis(), "keys cannot be fetched; trying again");
            sleep(wait).await;
            wait = wait.saturating_mul(2).min(self.pace.interval);
        }
    }

    /// One fetch. An answer without a usable key is a failure: it would refuse everybody.
    async fn fetch(&self) -> Result<KeySet, Error> {
        let answer = self.client.get(&self.uri, HeaderMap::new(), JWKS_BYTES_MAX, self.pace.timeout).await?;
        if answer.status() != http::StatusCode::OK {
            return Err(Error::Status(answer.status().as_u16()));
        }
        let text = std::str::from_utf8(answer.body()).map_err(|error| Error::Answer(error.into()))?;
        let keys = KeySet::from_jwks(text).map_err(Error::Keys)?;
        if keys.is_empty() { Err(Error::NoKeys) } else { Ok(keys) }
    }
}

/// The background task, which ends with the verifier that owns it.
#[derive(Debug)]
pub(crate) struct Refresh {
    task: JoinHandle<()>,
    nudge: Arc<Notify>,
}

impl Refresh {
    pub(crate) fn spawn(source: Source, tokens: Arc<Tokens>) -> Self {
        let nudge = Arc::new(Notify::new());
        let task = tokio::spawn(run(source, tokens, nudge.clone()));
        Self { task, nudge }
    }

    /// An unknown key was seen: perhaps there are new ones. Costs the caller nothing and waits for nothing.
    pub(crate) fn nudge(&self) {
        self.nudge.notify_one();
    }
}

impl Drop for Refresh {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(source: Source, tokens: Arc<Tokens>, nudge: Arc<Notify>) {
    let pace = source.pace;
    let mut published = tokens.keys().jwks_json().ok();
    let (mut wait, mut failures) = (pace.interval, 0_u32);
    loop {
        let began = Instant::now();
        // Whichever comes first: the time, or a reason.
        let _ = timeout(wait, nudge.notified()).await;
        sleep_until(began + pace.gap_min.min(wait)).await;
        match source.fetch().await {
            Ok(keys) => {
                (wait, failures) = (pace.interval, 0);
                let fetched = keys.jwks_json().ok();
                // The same keys again would only make the verifier forget what it has verified.
                if fetched != published {
                    tracing::info!(?keys, "session keys replaced");
                    tokens.replace_keys(keys);
                    published = fetched;
                }
            }
            Err(error) => {
                wait = pace.backoff.saturating_mul(1 << failures.min(16)).min(pace.interval);
                failures = failures.saturating_add(1);
                tracing::warn!(%error, cause = ?error.source(), failures, "keys cannot be fetched; the known ones stay in use");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_task_ends_with_its_owner() {
        let uri = Uri::from_static("http://127.0.0.1:9/");
        let source =
            Source { client: Client::new().unwrap(), uri, pace: Pace::every(Duration::from_mins(5)) };
        let tokens = Tokens::new(KeySet::default(), String::new(), String::new(), Duration::ZERO);
        let tokens = Arc::new(tokens);
        let seen_by_task = Arc::downgrade(&tokens);
        let refresh = Refresh::spawn(source, tokens);
        tokio::task::yield_now().await;
        assert_eq!(seen_by_task.strong_count(), 1, "the task alone holds it");
        drop(refresh);
        while seen_by_task.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    }
}
