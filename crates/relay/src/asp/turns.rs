//! How often clients may say something over HTTP: as often as over one connection.

use super::client::AspClients;
use super::error::Failed;
use crate::runtime::{Bucket, Rate};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tollwire_ledger::Timestamp;

/// What is left to each client, on this node.
#[derive(Debug)]
pub(crate) struct Turns {
    rate: Rate,
    buckets: Mutex<HashMap<String, Bucket>>,
}

impl Turns {
    pub(crate) fn new(per_second: u32) -> Self {
        Self { rate: Rate { count: per_second, within: Duration::from_secs(1) }, buckets: Mutex::default() }
    }

    fn buckets(&self) -> MutexGuard<'_, HashMap<String, Bucket>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a turn of a client that is known, or says when there will be one.
    pub(crate) fn take(&self, client: &str, now: Timestamp) -> Result<(), Failed> {
        let mut buckets = self.buckets();
        if !buckets.contains_key(client) {
            buckets.insert(client.to_owned(), Bucket::new(self.rate, now));
        }
        let Some(bucket) = buckets.get_mut(client) else { return Ok(()) };
        let wait = bucket.wait(now);
        if wait.is_zero() {
            bucket.take();
            return Ok(());
        }
        Err(Failed::limited(wait))
    }

    /// Forgets those that are clients no more.
    pub(crate) fn keep(&self, clients: &AspClients) {
        self.buckets().retain(|client, _| clients.contains_key(client));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_own() {
        let (turns, now) = (Turns::new(2), Timestamp::from_millis(5_000));
        for client in ["a", "b"] {
            assert!(turns.take(client, now).is_ok() && turns.take(client, now).is_ok());
            assert_eq!(turns.take(client, now).unwrap_err().again, Some(Duration::from_millis(500)));
        }
        assert!(turns.take("a", now.after(Duration::from_millis(500))).is_ok());
        turns.keep(&AspClients::new());
        assert!(turns.buckets().is_empty());
    }
}
